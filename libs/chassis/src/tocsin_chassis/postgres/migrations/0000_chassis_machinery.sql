-- Outbox, inbox, replies and dead letters: the same in every service's schema.

CREATE TABLE outbox (
    id uuid NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    version bigint NOT NULL,
    traceparent text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;

CREATE TABLE inbox (
    occurred_on date NOT NULL,
    consumer text NOT NULL,
    id uuid NOT NULL,
    PRIMARY KEY (occurred_on, consumer, id)
) PARTITION BY RANGE (occurred_on);
CREATE TABLE inbox_default PARTITION OF inbox DEFAULT;

CREATE TABLE rpc_reply (
    method text NOT NULL,
    request_id text NOT NULL,
    reply bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (method, request_id)
);
CREATE INDEX rpc_reply_age ON rpc_reply (created_at);

CREATE TABLE dead_letter (
    id uuid NOT NULL,
    consumer text NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    error text NOT NULL,
    died_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, id)
);
CREATE INDEX dead_letter_age ON dead_letter (died_at);
