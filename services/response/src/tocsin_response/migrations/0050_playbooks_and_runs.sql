-- The newest version is the one that runs begin by; a retired playbook begins none.
CREATE TABLE playbook (
    name text PRIMARY KEY,
    version integer NOT NULL,
    retired boolean NOT NULL DEFAULT false,
    last_dry_run_at timestamptz
);

-- Never changed. Whoever has a run has its version. cacao_id is what other playbooks may call it by.
CREATE TABLE playbook_version (
    playbook text NOT NULL REFERENCES playbook,
    version integer NOT NULL,
    cacao_id text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    content text NOT NULL,
    sha256 text NOT NULL,
    put_by text NOT NULL,
    put_at timestamptz NOT NULL,
    PRIMARY KEY (playbook, version)
);
CREATE INDEX playbook_version_by_cacao_id ON playbook_version (cacao_id);

-- version counts changes; what a process has in memory of a run is good as long as it is the same. priority orders its work: 1 first.
-- ending, paused_at and ended_count are what the rules of runs know of it beside its steps. parent is the run of which a step runs this
-- playbook, at parent_path.
CREATE TABLE run (
    id uuid PRIMARY KEY,
    incident_id uuid,
    parent uuid REFERENCES run ON DELETE CASCADE,
    parent_path text NOT NULL DEFAULT '',
    playbook text NOT NULL,
    playbook_version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('RUNNING', 'PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    dry_run boolean NOT NULL,
    simulated boolean NOT NULL,
    priority smallint NOT NULL,
    started_by text NOT NULL,
    reason text NOT NULL,
    variables jsonb NOT NULL,
    ending text,
    paused_at timestamptz,
    ended_count integer NOT NULL,
    explanation text NOT NULL,
    started_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    ended_at timestamptz,
    version bigint NOT NULL,
    FOREIGN KEY (playbook, playbook_version) REFERENCES playbook_version
) WITH (fillfactor = 70);
CREATE INDEX run_of_incident ON run (incident_id, id) WHERE incident_id IS NOT NULL;
CREATE INDEX run_of_parent ON run (parent) WHERE parent IS NOT NULL;
CREATE INDEX run_of_playbook ON run (playbook, id);
CREATE INDEX run_under_way ON run (id) WHERE state IN ('RUNNING', 'PAUSED');

-- One row for each instance of a step. seq orders them by their beginning, due_at is its timer: the end of a delay, a timeout, an approval
-- that runs out. record is all that the rules of runs know of it; the columns say it again for queries.
CREATE TABLE step (
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    path text NOT NULL,
    seq integer NOT NULL,
    step_id text NOT NULL,
    state text NOT NULL,
    attempt integer NOT NULL,
    not_before timestamptz,
    deadline timestamptz,
    due_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    explanation text NOT NULL,
    record jsonb NOT NULL,
    PRIMARY KEY (run_id, path)
) WITH (fillfactor = 70);
CREATE INDEX step_due ON step (due_at) WHERE due_at IS NOT NULL;

-- What a runner can take: one command at one target, with one attempt. slot is its number within the step. fence counts how often it was handed out; only the newest holder is
-- heard. HELD is what a paused run keeps back. work is the message that the runner gets.
CREATE TABLE assignment (
    id uuid PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    path text NOT NULL,
    slot integer NOT NULL,
    command text NOT NULL,
    target text NOT NULL,
    verb text NOT NULL CHECK (verb IN ('EXECUTE', 'UNDO', 'VERIFY')),
    attempt integer NOT NULL,
    idempotency_key text NOT NULL,
    needs text NOT NULL,
    priority smallint NOT NULL,
    state text NOT NULL CHECK (state IN ('READY', 'HELD', 'LEASED', 'DONE', 'CANCELLED')),
    not_before timestamptz NOT NULL,
    look_first boolean NOT NULL DEFAULT false,
    fence bigint NOT NULL DEFAULT 0,
    lease_owner text NOT NULL DEFAULT '',
    lease_until timestamptz,
    work bytea NOT NULL,
    prior_state bytea,
    undo_token bytea,
    verified boolean NOT NULL DEFAULT false,
    outcome text NOT NULL DEFAULT '',
    explanation text NOT NULL DEFAULT '',
    made_at timestamptz NOT NULL,
    ended_at timestamptz,
    UNIQUE (run_id, path, slot, attempt)
) WITH (fillfactor = 70);
CREATE INDEX assignment_ready ON assignment (priority, not_before) WHERE state = 'READY';
CREATE INDEX assignment_leased ON assignment (lease_until) WHERE state = 'LEASED';

-- What runs wait for people for. roles are incident roles, teams and responders, by name; none: any responder.
CREATE TABLE question (
    id uuid PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    incident_id uuid,
    playbook text NOT NULL,
    path text NOT NULL,
    step_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('APPROVAL', 'MANUAL', 'OUTCOME')),
    text text NOT NULL,
    roles text[] NOT NULL,
    quorum integer NOT NULL,
    requester text NOT NULL,
    requester_counts boolean NOT NULL,
    out_args text[] NOT NULL,
    asked_at timestamptz NOT NULL,
    expires_at timestamptz,
    approved_on_timeout boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('OPEN', 'GRANTED', 'DENIED', 'EXPIRED', 'WITHDRAWN')),
    ended_at timestamptz,
    explanation text NOT NULL,
    version bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX question_of_run ON question (run_id, id);
CREATE INDEX question_open ON question (id) WHERE state = 'OPEN';

CREATE TABLE question_vote (
    question_id uuid NOT NULL REFERENCES question ON DELETE CASCADE,
    by text NOT NULL,
    approves boolean NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (question_id, by)
);

-- Runs that nothing moved on, as the auditor found them; alert_id is set once detection has heard of it.
CREATE TABLE stuck_run (
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    since timestamptz NOT NULL,
    text text NOT NULL,
    found_at timestamptz NOT NULL,
    alert_id uuid,
    PRIMARY KEY (run_id, since)
);
CREATE INDEX stuck_run_waiting ON stuck_run (found_at) WHERE alert_id IS NULL;
