-- Open alerts and resolved ones part: the open ones stay a small table whatever happened before, the resolved ones lie in a
-- partition for each day, so that forgetting them is dropping a table.

CREATE SEQUENCE alert_tiny_id;

ALTER TABLE alert
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN tiny_id bigint NOT NULL DEFAULT nextval('alert_tiny_id'),
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text NOT NULL DEFAULT '',
    ADD COLUMN snoozed_until timestamptz,
    -- Whether the others were told that it fires. Those that there are were.
    ADD COLUMN told boolean NOT NULL DEFAULT true,
    -- What holds it back, as it was last judged: [{kind, rule, by, reason, since, until}].
    ADD COLUMN holds jsonb NOT NULL DEFAULT '[]',
    -- When its holds are judged again; null: when somebody says so.
    ADD COLUMN reconsider_at timestamptz,
    ADD COLUMN sender_fields jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN open_reason text NOT NULL DEFAULT '';
ALTER TABLE alert ALTER COLUMN told DROP DEFAULT;

CREATE TABLE resolved_alert (LIKE alert INCLUDING DEFAULTS) PARTITION BY RANGE (resolved_at);
CREATE TABLE resolved_alert_default PARTITION OF resolved_alert DEFAULT;
CREATE INDEX resolved_alert_id ON resolved_alert (id);
CREATE INDEX resolved_alert_tiny ON resolved_alert (tiny_id);
CREATE INDEX resolved_alert_newest ON resolved_alert (opened_at, id);
-- What became of a thing before: for flapping, and for those who ask by the sender's key.
CREATE INDEX resolved_alert_of_thing ON resolved_alert (integration, fingerprint, resolved_at);

INSERT INTO resolved_alert SELECT * FROM alert WHERE resolved_at IS NOT NULL;
DELETE FROM alert WHERE resolved_at IS NOT NULL;
ALTER TABLE alert ADD CONSTRAINT alert_is_open CHECK (resolved_at IS NULL);

-- At most one open alert for each thing that a sender watches; two signals that race are decided here.
DROP INDEX alert_open;
CREATE UNIQUE INDEX alert_open ON alert (integration, fingerprint);
DROP INDEX alert_silent_end;
CREATE INDEX alert_silent_end ON alert (ends_at) WHERE ends_at IS NOT NULL;
DROP INDEX alert_newest_open, alert_newest_of_integration;
CREATE INDEX alert_tiny ON alert (tiny_id);
CREATE INDEX alert_reconsidered ON alert (reconsider_at) WHERE reconsider_at IS NOT NULL;
-- Those that are held, by what holds them.
CREATE INDEX alert_held ON alert USING gin (holds jsonb_path_ops) WHERE NOT told;

ALTER TABLE alert_log RENAME TO alert_log_before;
CREATE TABLE alert_log (
    alert_id uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    decision text NOT NULL,
    reason text NOT NULL,
    -- Who did it; empty where the sender or a rule did.
    by text NOT NULL DEFAULT ''
) PARTITION BY RANGE (at);
CREATE TABLE alert_log_default PARTITION OF alert_log DEFAULT;
CREATE INDEX alert_log_of_alert ON alert_log (alert_id, position);
INSERT INTO alert_log (alert_id, at, decision, reason) SELECT alert_id, at, decision, reason FROM alert_log_before ORDER BY position;
DROP TABLE alert_log_before;

-- What senders delivered lately, by their own ids, so that what comes again counts nothing.
CREATE TABLE delivery (
    integration text NOT NULL,
    id text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (integration, id)
);
CREATE INDEX delivery_age ON delivery (received_at);
