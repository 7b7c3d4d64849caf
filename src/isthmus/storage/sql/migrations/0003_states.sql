-- What is kept of Responses calls: responses, conversations, and the items of both. Bodies are one byte that says how
-- they are written (storage/encryption.py), and then what they hold.

CREATE TABLE state_responses (
    "account_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "gateway_id" TEXT NOT NULL,
    "models" TEXT NOT NULL,
    "created_at" DOUBLE PRECISION NOT NULL,
    "expires_at" DOUBLE PRECISION NOT NULL,
    "status" TEXT NOT NULL,
    "body" BYTEA NOT NULL,
    "previous_id" TEXT,
    "conversation_id" TEXT,
    "conversation_at" BIGINT NOT NULL,
    "background" BOOLEAN NOT NULL,
    "size" BIGINT NOT NULL,
    PRIMARY KEY ("account_id", "id")
);

CREATE INDEX state_responses_expiry ON state_responses ("expires_at");

CREATE TABLE state_conversations (
    "account_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "gateway_id" TEXT NOT NULL,
    "created_at" DOUBLE PRECISION NOT NULL,
    "expires_at" DOUBLE PRECISION NOT NULL,
    "metadata" BYTEA NOT NULL,
    "size" BIGINT NOT NULL,
    PRIMARY KEY ("account_id", "id")
);

CREATE INDEX state_conversations_expiry ON state_conversations ("expires_at");

CREATE TABLE state_items (
    "account_id" TEXT NOT NULL,
    "owner_id" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "body" BYTEA NOT NULL,
    "size" BIGINT NOT NULL,
    PRIMARY KEY ("account_id", "owner_id", "position")
);

CREATE INDEX state_items_id ON state_items ("account_id", "id");

-- How much of each account is kept, so that no call has to add it up.
CREATE TABLE state_usage (
    "account_id" TEXT PRIMARY KEY NOT NULL,
    "bytes" BIGINT NOT NULL
);
