-- What holds alerts back: silences, maintenance windows, inhibitions, and rules about how often something happens.

CREATE TABLE silence (
    id uuid PRIMARY KEY,
    -- As they are written: name="text", one for each matcher.
    matchers text[] NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    created_by text NOT NULL,
    comment text NOT NULL,
    updated_at timestamptz NOT NULL,
    notice_given boolean NOT NULL,
    end_told boolean NOT NULL
);
CREATE INDEX silence_end ON silence (ends_at, id);
CREATE INDEX silence_end_to_tell ON silence (ends_at) WHERE NOT end_told;

CREATE TABLE maintenance_window (
    name text PRIMARY KEY,
    description text NOT NULL,
    services text[] NOT NULL,
    matchers text[] NOT NULL,
    zone text NOT NULL,
    -- A time on the wall of the zone, and so without one of its own.
    starts_at timestamp NOT NULL,
    length interval NOT NULL,
    recurrence text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    kept_in_files boolean NOT NULL,
    closed_at timestamptz
);

-- Inhibitions and noise rules, as files hold them.
CREATE TABLE noise_rule (
    kind text NOT NULL,
    name text NOT NULL,
    definition jsonb NOT NULL,
    PRIMARY KEY (kind, name)
);
-- What every installation begins with. Files may say otherwise, or delete it.
INSERT INTO noise_rule VALUES
    ('NoiseRule', 'silences', '{"name": "silences", "description": "How long a silence may be, and when it is said that it ends.",
        "silences": {"longest": "7776000s", "notice": "900s"}}'),
    ('NoiseRule', 'storm', '{"name": "storm", "description": "One alert stands for all when an integration floods.",
        "storm": {"alerts": 300, "within": "60s"}}');

-- One row. It counts the changes of everything above, so that every process sees when it has to read again.
CREATE TABLE noise_version (version bigint NOT NULL);
INSERT INTO noise_version VALUES (1);

-- The open alerts that may hold others back, by rule and by the hash of their equal labels.
CREATE TABLE noise_source (
    rule text NOT NULL,
    key text NOT NULL,
    alert_id uuid NOT NULL,
    PRIMARY KEY (rule, key, alert_id)
);

-- When things under a threshold happened last.
CREATE TABLE noise_count (
    integration text NOT NULL,
    fingerprint text NOT NULL,
    alert_id uuid NOT NULL,
    occurrences bigint NOT NULL,
    marks timestamptz[] NOT NULL,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (integration, fingerprint)
);
CREATE INDEX noise_count_age ON noise_count (counted_at);

CREATE TABLE storm (
    id uuid PRIMARY KEY,
    integration text NOT NULL,
    rule text NOT NULL,
    alerts integer NOT NULL,
    within interval NOT NULL,
    service text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    alert_id text NOT NULL,
    release_at timestamptz,
    released boolean NOT NULL DEFAULT false,
    summarised_at timestamptz
);
-- At most one for each integration; two reports that race are decided here.
CREATE UNIQUE INDEX storm_now ON storm (integration) WHERE ended_at IS NULL;
CREATE INDEX storm_release ON storm (release_at) WHERE release_at IS NOT NULL AND NOT released;

-- The services one of whose alerts has woken somebody since a storm began, or shortly before.
CREATE TABLE storm_service (
    storm_id uuid NOT NULL REFERENCES storm ON DELETE CASCADE,
    service text NOT NULL,
    PRIMARY KEY (storm_id, service)
);
CREATE TABLE storm_tally (
    storm_id uuid NOT NULL REFERENCES storm ON DELETE CASCADE,
    service text NOT NULL,
    severity text NOT NULL,
    alerts bigint NOT NULL,
    PRIMARY KEY (storm_id, service, severity)
);
