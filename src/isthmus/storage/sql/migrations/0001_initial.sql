-- Statements end with a semicolon at the end of a line. Times are epoch seconds; JSON is kept as text.

CREATE TABLE accounts (
    "id" TEXT PRIMARY KEY NOT NULL,
    "name" TEXT NOT NULL,
    "created_at" DOUBLE PRECISION NOT NULL
);

CREATE TABLE tokens (
    "id" TEXT PRIMARY KEY NOT NULL,
    "account_id" TEXT NOT NULL REFERENCES accounts ("id"),
    "name" TEXT NOT NULL,
    "digest" TEXT NOT NULL UNIQUE,
    "permissions" TEXT NOT NULL,
    "gateways" TEXT,
    "models" TEXT,
    "expires_on" DOUBLE PRECISION,
    "created_at" DOUBLE PRECISION NOT NULL,
    "revoked" BOOLEAN NOT NULL
);

CREATE TABLE gateways (
    "account_id" TEXT NOT NULL REFERENCES accounts ("id"),
    "id" TEXT NOT NULL,
    "settings" TEXT NOT NULL,
    "created_at" DOUBLE PRECISION NOT NULL,
    "modified_at" DOUBLE PRECISION NOT NULL,
    "declared" BOOLEAN NOT NULL,
    PRIMARY KEY ("account_id", "id")
);

CREATE TABLE config_version (
    "version" BIGINT NOT NULL
);

INSERT INTO config_version ("version") VALUES (1);

CREATE TABLE logs (
    "sequence" INTEGER PRIMARY KEY,
    "id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "gateway_id" TEXT NOT NULL,
    "created_at" DOUBLE PRECISION NOT NULL,
    "end" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "status_code" BIGINT NOT NULL,
    "success" BOOLEAN NOT NULL,
    "duration_ms" BIGINT NOT NULL,
    "first_byte_ms" BIGINT,
    "event_id" TEXT NOT NULL,
    "request_type" TEXT NOT NULL,
    "model_type" TEXT NOT NULL,
    "request_content_type" TEXT,
    "response_content_type" TEXT,
    "tokens_in" BIGINT,
    "tokens_out" BIGINT,
    "cached_tokens" BIGINT,
    "cache_write_tokens" BIGINT,
    "reasoning_tokens" BIGINT,
    "finish_reason" TEXT,
    "streamed" BOOLEAN NOT NULL,
    "cached" BOOLEAN NOT NULL,
    "step" BIGINT NOT NULL,
    "metadata" TEXT,
    "user_agent" TEXT,
    "authentication" BOOLEAN NOT NULL,
    "wholesale" BOOLEAN NOT NULL,
    "error_code" BIGINT,
    "error_message" TEXT,
    "notes" TEXT,
    "request_size" BIGINT NOT NULL,
    "response_size" BIGINT NOT NULL,
    "request_complete" BOOLEAN NOT NULL,
    "response_complete" BOOLEAN NOT NULL
);

-- One row a call, however often its journal is read.
CREATE UNIQUE INDEX logs_id ON logs ("id");

CREATE INDEX logs_of_gateway ON logs ("account_id", "gateway_id", "created_at");

-- Apart from `logs`, so that a list which filters reads a tenth of the pages.
CREATE TABLE log_bodies (
    "sequence" INTEGER PRIMARY KEY,
    "request_body" BYTEA,
    "response_body" BYTEA
);
