CREATE TABLE responder (
    name text PRIMARY KEY,
    display_name text NOT NULL,
    time_zone text NOT NULL
);

CREATE TABLE team (
    name text PRIMARY KEY,
    display_name text NOT NULL,
    members text[] NOT NULL
);

-- The columns from unit to responders are the rotation: all set, or none.
CREATE TABLE schedule (
    name text PRIMARY KEY,
    display_name text NOT NULL,
    time_zone text NOT NULL,
    unit text CHECK (unit IN ('daily', 'weekly')),
    length integer,
    starts_on date,
    handoff_time time,
    responders text[],
    CHECK (num_nulls(unit, length, starts_on, handoff_time, responders) IN (0, 5))
);

CREATE TABLE duty_override (
    id uuid PRIMARY KEY,
    schedule text NOT NULL REFERENCES schedule ON DELETE CASCADE,
    responder text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    reason text NOT NULL,
    CHECK (starts_at < ends_at)
);
CREATE INDEX duty_override_by_schedule ON duty_override (schedule, ends_at);
CREATE INDEX duty_override_by_end ON duty_override (ends_at);

CREATE TABLE escalation_policy (
    name text PRIMARY KEY,
    definition jsonb NOT NULL
);

-- At most one row.
CREATE TABLE platform_fallback (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    responders text[] NOT NULL
);

-- The newest that was heard of each incident: a fact that comes late finds here that the incident has moved on.
CREATE TABLE incident_copy (
    id uuid PRIMARY KEY,
    version bigint NOT NULL,
    incident bytea NOT NULL
);

CREATE TABLE escalation (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL,
    opened_version bigint NOT NULL,
    version bigint NOT NULL,
    policy jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('RUNNING', 'STOPPED', 'EXHAUSTED')),
    step integer NOT NULL,
    round integer NOT NULL,
    due_at timestamptz,
    started_at timestamptz NOT NULL,
    stop_reason text NOT NULL,
    about_gap boolean NOT NULL,
    traceparent text NOT NULL,
    CHECK ((state = 'RUNNING') = (due_at IS NOT NULL)),
    UNIQUE (incident_id, opened_version)
);
CREATE UNIQUE INDEX escalation_running ON escalation (incident_id) WHERE state = 'RUNNING';
CREATE INDEX escalation_due ON escalation (due_at) WHERE state = 'RUNNING';

CREATE TABLE summons (
    id uuid PRIMARY KEY,
    escalation_id uuid NOT NULL REFERENCES escalation ON DELETE CASCADE,
    responder text NOT NULL,
    step integer NOT NULL,
    round integer NOT NULL,
    reason text NOT NULL,
    explanation text NOT NULL,
    at timestamptz NOT NULL,
    late_by interval
);
CREATE INDEX summons_by_escalation ON summons (escalation_id, at);

-- Gaps that detection is to hear of; alert_id is set once it has.
CREATE TABLE gap_report (
    id uuid PRIMARY KEY,
    escalation_id uuid NOT NULL REFERENCES escalation ON DELETE CASCADE,
    incident_id uuid NOT NULL,
    gap text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT '',
    alert_id uuid,
    UNIQUE (escalation_id, gap)
);
CREATE INDEX gap_report_waiting ON gap_report (due_at) WHERE alert_id IS NULL;
CREATE INDEX gap_report_by_alert ON gap_report (alert_id) WHERE alert_id IS NOT NULL;
