-- Integrations, the alerts that came through them, and what was decided about each.

CREATE TABLE integration (
    name text PRIMARY KEY,
    kind text NOT NULL,
    service text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    -- SHA-256 of the key; null until the first key is made.
    key_hash bytea UNIQUE,
    created_at timestamptz NOT NULL,
    last_report_at timestamptz
);

CREATE TABLE alert (
    id uuid PRIMARY KEY,
    integration text NOT NULL,
    fingerprint text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    labels jsonb NOT NULL,
    annotations jsonb NOT NULL,
    source_url text NOT NULL,
    sender_severity text NOT NULL,
    sender_service text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    ends_by_timeout boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    last_signal_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolve_reason text NOT NULL,
    occurrences bigint NOT NULL,
    version bigint NOT NULL
);

-- At most one open alert for each thing that a sender watches; two signals that race are decided here.
CREATE UNIQUE INDEX alert_open ON alert (integration, fingerprint) WHERE resolved_at IS NULL;
-- The deadlines of silent ends.
CREATE INDEX alert_silent_end ON alert (ends_at) WHERE resolved_at IS NULL AND ends_at IS NOT NULL;
-- The lists, newest first: all, the open ones, those of one integration, those with certain labels.
CREATE INDEX alert_newest ON alert (opened_at, id);
CREATE INDEX alert_newest_open ON alert (opened_at, id) WHERE resolved_at IS NULL;
CREATE INDEX alert_newest_of_integration ON alert (integration, opened_at, id);
CREATE INDEX alert_labels ON alert USING gin (labels jsonb_path_ops);

CREATE TABLE alert_log (
    alert_id uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    decision text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (alert_id, position)
);
