-- What messages were about, so that an answer to one is about the same thing.
CREATE TABLE mail_message (
    integration text NOT NULL,
    message_id text NOT NULL,
    fingerprint text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (integration, message_id)
);
CREATE INDEX mail_message_age ON mail_message (received_at);
