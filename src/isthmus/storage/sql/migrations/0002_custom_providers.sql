-- Providers that accounts declare by the API. A slug is an account's own, and in lower case.

CREATE TABLE custom_providers (
    "id" TEXT PRIMARY KEY NOT NULL,
    "account_id" TEXT NOT NULL REFERENCES accounts ("id"),
    "name" TEXT NOT NULL,
    "slug" TEXT NOT NULL,
    "base_url" TEXT NOT NULL,
    "description" TEXT,
    "link" TEXT,
    "curl_example" TEXT,
    "js_example" TEXT,
    "enable" BOOLEAN NOT NULL,
    "beta" BOOLEAN NOT NULL,
    "headers" TEXT,
    "position" BIGINT,
    "created_at" DOUBLE PRECISION NOT NULL,
    "modified_at" DOUBLE PRECISION NOT NULL,
    UNIQUE ("account_id", "slug")
);
