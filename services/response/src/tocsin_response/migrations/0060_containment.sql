-- What was done to contain incidents and holds until it is lifted. due_at is when its time is up; lifting rows are looked at again then.
CREATE TABLE measure (
    id uuid PRIMARY KEY,
    incident_id uuid,
    action text NOT NULL,
    connector text NOT NULL,
    target_kind smallint NOT NULL,
    target text NOT NULL,
    reason text NOT NULL,
    applied_by text NOT NULL,
    applied_at timestamptz NOT NULL,
    until timestamptz,
    state text NOT NULL CHECK (state IN ('IN_FORCE', 'LIFTING', 'LIFTED', 'LOST')),
    verified_at timestamptz,
    reversible boolean NOT NULL,
    run_id uuid,
    step_path text NOT NULL,
    prior_state jsonb,
    undo_token jsonb,
    undo_run_id uuid,
    lifted_by text NOT NULL,
    lifted_at timestamptz,
    decision text NOT NULL,
    kept boolean NOT NULL,
    trouble text NOT NULL,
    version bigint NOT NULL
);
-- A step that is reported twice takes one measure.
CREATE UNIQUE INDEX measure_of_step ON measure (run_id, step_path, action, target) WHERE run_id IS NOT NULL;
CREATE INDEX measure_by_incident ON measure (incident_id, id);
CREATE INDEX measure_in_force ON measure (id) WHERE state <> 'LIFTED';
CREATE INDEX measure_due ON measure (until) WHERE state = 'IN_FORCE' AND until IS NOT NULL;
CREATE INDEX measure_of_undo ON measure (undo_run_id) WHERE undo_run_id IS NOT NULL;

CREATE TABLE guard_rails (
    name text PRIMARY KEY,
    definition jsonb NOT NULL
);

-- What actions were let through, to count them. A step that is tried again is one act.
CREATE TABLE guarded_act (
    run_id uuid NOT NULL,
    step_path text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (run_id, step_path, action, target)
);
CREATE INDEX guarded_act_by_time ON guarded_act (at);

-- Lists that firewalls and resolvers read here. version counts changes of a list: it is what its readers have.
CREATE TABLE block_list (
    name text PRIMARY KEY,
    kind smallint NOT NULL,
    version bigint NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE TABLE block_entry (
    list text NOT NULL REFERENCES block_list,
    value text COLLATE "C" NOT NULL,
    kind smallint NOT NULL,
    comment text NOT NULL,
    incident_id uuid,
    since timestamptz NOT NULL,
    until timestamptz,
    added_by text NOT NULL,
    PRIMARY KEY (list, value)
);
CREATE INDEX block_entry_due ON block_entry (until) WHERE until IS NOT NULL;
CREATE TABLE block_list_link (
    secret_sha256 bytea PRIMARY KEY,
    list text NOT NULL REFERENCES block_list,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE block_list_reader (
    list text NOT NULL REFERENCES block_list,
    address text NOT NULL,
    read_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (list, address)
);

CREATE TABLE automation (
    name text PRIMARY KEY,
    version bigint NOT NULL,
    definition jsonb NOT NULL
);
-- What automations proposed or started. One automation does one thing for one fact.
CREATE TABLE proposal (
    id uuid PRIMARY KEY,
    automation text NOT NULL,
    automation_version bigint NOT NULL,
    incident_id uuid NOT NULL,
    fact_id uuid NOT NULL,
    playbook text NOT NULL,
    variables jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('OPEN', 'ACCEPTED', 'DECLINED', 'STARTED', 'FAILED')),
    reason text NOT NULL,
    proposed_at timestamptz NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz,
    run_id uuid,
    UNIQUE (automation, fact_id)
);
CREATE INDEX proposal_by_incident ON proposal (incident_id, id);
CREATE INDEX proposal_open ON proposal (id) WHERE state = 'OPEN';

-- The alerts of incidents, by which their return is known.
CREATE TABLE incident_alert (
    incident_id uuid NOT NULL,
    alert_id uuid NOT NULL,
    title text NOT NULL,
    attached_at timestamptz NOT NULL,
    PRIMARY KEY (incident_id, alert_id)
);
CREATE TABLE recovery_watch (
    incident_id uuid PRIMARY KEY,
    incident_number bigint NOT NULL,
    service text NOT NULL,
    title text NOT NULL,
    until timestamptz NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    recurred_at timestamptz,
    recurrence text NOT NULL,
    recurred_in uuid,
    reopened_at timestamptz,
    due_at timestamptz
);
CREATE INDEX recovery_watch_until ON recovery_watch (until) WHERE recurred_at IS NULL;
CREATE INDEX recovery_watch_to_reopen ON recovery_watch (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE recovery_indicator (
    incident_id uuid NOT NULL REFERENCES recovery_watch ON DELETE CASCADE,
    kind smallint NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (incident_id, kind, value)
);
CREATE INDEX recovery_indicator_by_value ON recovery_indicator (kind, value);
