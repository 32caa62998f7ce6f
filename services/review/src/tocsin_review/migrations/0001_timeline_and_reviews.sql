-- A projection of all facts: lines for people, the incidents they are about, and what is learned from them.

CREATE TABLE timeline (
    -- The fact's id.
    id uuid PRIMARY KEY,
    -- One of both: the incident, or an alert that an incident gathers (or will, or never does).
    incident_id uuid,
    alert_id uuid,
    at timestamptz NOT NULL,
    rank smallint NOT NULL,
    fact text NOT NULL,
    source text NOT NULL,
    summary text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    trace_id text NOT NULL,
    -- False until the incident's review was drafted with this line.
    in_draft boolean NOT NULL DEFAULT false
);

CREATE INDEX timeline_of_incident ON timeline (incident_id, at, rank, id) WHERE incident_id IS NOT NULL;
CREATE INDEX timeline_of_alert ON timeline (alert_id, at, rank, id) WHERE alert_id IS NOT NULL;

-- What reviews may have to be drafted again for: the lines of incidents without a review, and what came after a draft.
CREATE INDEX timeline_undrafted_of_incident ON timeline (incident_id) WHERE NOT in_draft AND incident_id IS NOT NULL;
CREATE INDEX timeline_undrafted_of_alert ON timeline (alert_id) WHERE NOT in_draft AND alert_id IS NOT NULL;

-- The incidents, as their facts describe them in whatever order they come.
CREATE TABLE incident (
    id uuid PRIMARY KEY,
    service text NOT NULL,
    severity smallint NOT NULL,
    opened_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    resolved_at timestamptz,
    -- A tocsin.triage.v1.Incident as it was at `version`.
    latest bytea NOT NULL,
    version bigint NOT NULL
);

CREATE INDEX incident_opened ON incident (opened_at);

-- Which alerts an incident gathers; `first` opened it.
CREATE TABLE gathered_alert (
    alert_id uuid PRIMARY KEY,
    incident_id uuid NOT NULL,
    first boolean NOT NULL
);

CREATE INDEX gathered_alert_of_incident ON gathered_alert (incident_id);

-- When each alert began, by its sender's clock: the earliest that was said.
CREATE TABLE alert_start (
    alert_id uuid PRIMARY KEY,
    starts_at timestamptz NOT NULL
);

-- What became of each page. What is known only of its answer has no responder yet.
CREATE TABLE page (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL,
    kind smallint NOT NULL DEFAULT 0,
    responder text NOT NULL DEFAULT '',
    contact_method text NOT NULL DEFAULT '',
    channel smallint NOT NULL DEFAULT 0,
    state smallint NOT NULL DEFAULT 0,
    state_reason text NOT NULL DEFAULT '',
    resent_after_unknown boolean NOT NULL DEFAULT false,
    created_at timestamptz,
    sent_at timestamptz,
    delivered_at timestamptz,
    answered_at timestamptz
);

CREATE INDEX page_of_incident ON page (incident_id);

CREATE TABLE review (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL UNIQUE,
    markdown text NOT NULL,
    drafted_at timestamptz NOT NULL
);
