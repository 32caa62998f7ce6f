-- The command of incidents: plans, phases, roles, tasks, decisions, and what readiness looks at.

-- Plans of files; those that are shipped are part of the program. Every version is kept for the incidents that began with it.
CREATE TABLE incident_plan (
    name text PRIMARY KEY,
    version bigint NOT NULL,
    definition jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE incident_plan_version (
    name text NOT NULL,
    version bigint NOT NULL,
    definition jsonb NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE plan_review (
    id uuid PRIMARY KEY,
    plan text NOT NULL,
    version bigint NOT NULL,
    reviewed_by text NOT NULL,
    note text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX plan_review_newest ON plan_review (plan, at);

CREATE TABLE command (
    incident_id uuid PRIMARY KEY,
    plan text NOT NULL,
    plan_version bigint NOT NULL,
    phase smallint NOT NULL CHECK (phase BETWEEN 2 AND 6),
    severity smallint NOT NULL,
    severity_set_by text NOT NULL,
    bridge_url text NOT NULL DEFAULT '',
    bridge_dial_in text NOT NULL DEFAULT '',
    bridge_by text NOT NULL DEFAULT '',
    bridge_at timestamptz,
    -- When people are to be told how it goes; null: nobody is reminded.
    update_due_at timestamptz,
    told_at timestamptz,
    told_by text NOT NULL DEFAULT '',
    told_text text NOT NULL DEFAULT '',
    closed boolean NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX command_update_due ON command (update_due_at) WHERE update_due_at IS NOT NULL;

CREATE TABLE phase_entry (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL REFERENCES command ON DELETE CASCADE,
    phase smallint NOT NULL,
    entered_at timestamptz NOT NULL,
    entered_by text NOT NULL,
    reason text NOT NULL,
    overridden text[] NOT NULL,
    left_at timestamptz
);
CREATE UNIQUE INDEX phase_entry_present ON phase_entry (incident_id) WHERE left_at IS NULL;
CREATE INDEX phase_entry_newest ON phase_entry (incident_id, entered_at, id);

CREATE TABLE role_holding (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL REFERENCES command ON DELETE CASCADE,
    role text NOT NULL,
    responder text NOT NULL,
    since timestamptz NOT NULL,
    assigned_by text NOT NULL,
    reason text NOT NULL,
    summary text NOT NULL,
    until timestamptz
);
CREATE UNIQUE INDEX role_holding_present ON role_holding (incident_id, role) WHERE until IS NULL;
CREATE INDEX role_holding_of_responder ON role_holding (responder) WHERE until IS NULL;
CREATE INDEX role_holding_newest ON role_holding (incident_id, since, id);

CREATE TABLE incident_task (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL REFERENCES command ON DELETE CASCADE,
    title text NOT NULL,
    description text NOT NULL,
    state text NOT NULL CHECK (state IN ('OPEN', 'COMPLETED', 'CANCELLED')),
    phase smallint NOT NULL,
    owner text NOT NULL,
    role text NOT NULL,
    due_at timestamptz,
    remind_at timestamptz,
    source text NOT NULL,
    source_id text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    closed_by text NOT NULL,
    closed_at timestamptz,
    result text NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX incident_task_of_incident ON incident_task (incident_id);
CREATE INDEX incident_task_to_remind ON incident_task (remind_at) WHERE remind_at IS NOT NULL;
-- The list of all, by due time; what is never due comes last.
CREATE INDEX incident_task_listed ON incident_task ((coalesce(due_at, 'infinity')), id);
CREATE INDEX incident_task_of_owner ON incident_task (owner, (coalesce(due_at, 'infinity')), id);
-- A task of a plan or a playbook comes into being once.
CREATE UNIQUE INDEX incident_task_of_source ON incident_task (incident_id, source, source_id) WHERE source_id <> '';

CREATE TABLE logged_decision (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL REFERENCES command ON DELETE CASCADE,
    text text NOT NULL,
    reason text NOT NULL,
    alternatives text NOT NULL,
    decided_by text NOT NULL,
    at timestamptz NOT NULL,
    phase smallint NOT NULL
);
CREATE INDEX logged_decision_newest ON logged_decision (incident_id, at, id);

CREATE TABLE checklist_tick (
    incident_id uuid NOT NULL REFERENCES command ON DELETE CASCADE,
    key text NOT NULL,
    ticked boolean NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (incident_id, key)
);

CREATE TABLE plan_answer (
    incident_id uuid NOT NULL REFERENCES command ON DELETE CASCADE,
    key text NOT NULL,
    text text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (incident_id, key)
);

CREATE TABLE attendant (
    incident_id uuid NOT NULL REFERENCES command ON DELETE CASCADE,
    responder text NOT NULL,
    joined_at timestamptz NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (incident_id, responder)
);

-- Whether people can be reached, as communication has told.
CREATE TABLE reachability (
    responder text PRIMARY KEY,
    problem text NOT NULL,
    checked_at timestamptz NOT NULL
);
