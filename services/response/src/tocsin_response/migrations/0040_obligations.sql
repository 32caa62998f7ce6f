CREATE TABLE regime (
    name text PRIMARY KEY,
    definition jsonb NOT NULL
);

-- What was found out or decided about an incident, by which clocks start.
CREATE TABLE start_event (
    incident_id uuid NOT NULL,
    event text NOT NULL,
    at timestamptz NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (incident_id, event)
);

-- One row for each incident that somebody said something of; whoever changes its obligations locks it.
CREATE TABLE circumstances (
    incident_id uuid PRIMARY KEY,
    traits text[] NOT NULL DEFAULT '{}',
    people bigint,
    version bigint NOT NULL DEFAULT 0
);

-- regime: as it was when the clock started; what its data become later does not move a clock that runs.
CREATE TABLE obligation (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL,
    regime jsonb NOT NULL,
    regime_name text NOT NULL,
    duty text NOT NULL,
    state text NOT NULL CHECK (state IN ('RUNNING', 'SUBMITTED', 'WAIVED', 'WITHDRAWN')),
    event text NOT NULL,
    started_at timestamptz NOT NULL,
    due_at timestamptz,
    explanation text NOT NULL,
    recipient text NOT NULL,
    submitted_at timestamptz,
    answered_by text NOT NULL,
    reference text NOT NULL,
    sha256 text NOT NULL,
    reason text NOT NULL
);
CREATE UNIQUE INDEX obligation_once ON obligation (incident_id, regime_name, duty) WHERE state <> 'WITHDRAWN';
CREATE INDEX obligation_by_incident ON obligation (incident_id, id);

-- When people are reminded; percent 100 comes again every day.
CREATE TABLE obligation_timer (
    obligation_id uuid NOT NULL REFERENCES obligation ON DELETE CASCADE,
    percent integer NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (obligation_id, percent)
);
CREATE INDEX obligation_timer_due ON obligation_timer (due_at);
