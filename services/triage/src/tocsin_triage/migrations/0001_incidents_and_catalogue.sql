-- The service catalogue and its routes, incidents, and where each alert was placed.

CREATE TABLE service (
    name text PRIMARY KEY,
    display_name text NOT NULL,
    description text NOT NULL,
    team text NOT NULL,
    escalation_policy text NOT NULL,
    runbook_url text NOT NULL,
    depends_on text[] NOT NULL,
    group_by text[] NOT NULL
);

-- Where everything goes that belongs nowhere else. It can be changed, never deleted.
INSERT INTO service (name, display_name, description, team, escalation_policy, runbook_url, depends_on, group_by) VALUES (
    'unrouted', 'Unrouted', 'Takes what names no service of the catalogue. Built in; give it a policy, or add a route.', '', '', '', '{}', '{}'
);

CREATE TABLE route (
    name text PRIMARY KEY,
    position integer NOT NULL,
    match jsonb NOT NULL,
    service text NOT NULL,
    severity smallint
);

CREATE SEQUENCE incident_number;

CREATE TABLE incident (
    id uuid PRIMARY KEY,
    number bigint NOT NULL UNIQUE,
    title text NOT NULL,
    summary text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 5),
    service text NOT NULL,
    group_key text,
    escalation_policy text NOT NULL,
    team text NOT NULL,
    opened_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text NOT NULL,
    resolved_at timestamptz,
    resolved_by text NOT NULL,
    resolve_reason text NOT NULL,
    declared_by text NOT NULL,
    alert_count integer NOT NULL,
    open_alert_count integer NOT NULL CHECK (open_alert_count >= 0),
    placement_reason text NOT NULL,
    severity_by_person boolean NOT NULL,
    version bigint NOT NULL
);

-- At most one incident gathers the alerts of a group; two alerts that race are decided here.
CREATE UNIQUE INDEX incident_of_group ON incident (service, group_key) WHERE state <> 'resolved' AND group_key IS NOT NULL;
-- The lists, newest first: those in a state, those of a service. (All: by the number's own index.)
CREATE INDEX incident_newest_in_state ON incident (state, number);
CREATE INDEX incident_newest_of_service ON incident (service, number);

CREATE TABLE attached_alert (
    alert_id uuid PRIMARY KEY,
    incident_id uuid NOT NULL REFERENCES incident,
    title text NOT NULL,
    open boolean NOT NULL,
    attached_at timestamptz NOT NULL,
    reason text NOT NULL,
    source_url text NOT NULL,
    version bigint NOT NULL
);

CREATE INDEX attached_alert_newest ON attached_alert (incident_id, attached_at, alert_id);

-- What was heard of an alert before its opening: the newest of it, a tocsin.detection.v1.Alert.
CREATE TABLE early_alert (
    alert_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    alert bytea NOT NULL,
    heard_at timestamptz NOT NULL
);
