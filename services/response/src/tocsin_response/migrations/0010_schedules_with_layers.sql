-- The whole schedule as its contract's JSON. Absent: written by the version before, and the columns beside it say everything.
ALTER TABLE schedule ADD COLUMN definition jsonb;

ALTER TABLE duty_override
    ADD COLUMN kind text NOT NULL DEFAULT 'COVER_ALL' CHECK (kind IN ('COVER_ALL', 'REPLACE', 'ADD', 'REMOVE')),
    ADD COLUMN instead_of text NOT NULL DEFAULT '',
    ADD COLUMN layer text NOT NULL DEFAULT '';

CREATE TABLE temporary_schedule (
    id uuid PRIMARY KEY,
    schedule text NOT NULL REFERENCES schedule ON DELETE CASCADE,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    shifts jsonb NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    reason text NOT NULL,
    CHECK (starts_at < ends_at)
);
CREATE INDEX temporary_schedule_by_schedule ON temporary_schedule (schedule, ends_at);
CREATE INDEX temporary_schedule_by_end ON temporary_schedule (ends_at);

CREATE TABLE swap (
    id uuid PRIMARY KEY,
    schedule text NOT NULL REFERENCES schedule ON DELETE CASCADE,
    responder text NOT NULL,
    asked text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    return_starts_at timestamptz,
    return_ends_at timestamptz,
    state text NOT NULL CHECK (state IN ('OPEN', 'TAKEN', 'CANCELLED')),
    taken_by text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    reason text NOT NULL,
    CHECK (starts_at < ends_at),
    CHECK (num_nulls(return_starts_at, return_ends_at) IN (0, 2))
);
CREATE INDEX swap_newest ON swap (id DESC);
CREATE INDEX swap_by_schedule ON swap (schedule, id DESC);

CREATE TABLE calendar (
    name text PRIMARY KEY,
    display_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('ABSENCE', 'HOLIDAY', 'DUTY')),
    responder text NOT NULL,
    time_zone text NOT NULL,
    text text NOT NULL,
    -- Whether the applied configuration holds it; else a person gave it.
    from_file boolean NOT NULL
);

-- Secret links; what is kept of a secret is its SHA-256.
CREATE TABLE calendar_feed (
    id uuid PRIMARY KEY,
    secret_hash bytea NOT NULL UNIQUE,
    schedule text NOT NULL,
    responder text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);

-- Who really was on call: one row for each person and duty (or for nobody), written when it begins, closed when it ends, never changed after.
CREATE TABLE duty_record (
    id uuid PRIMARY KEY,
    schedule text NOT NULL,
    responder text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    reason text NOT NULL
);
CREATE UNIQUE INDEX duty_record_going_on ON duty_record (schedule, responder) WHERE until IS NULL;
CREATE INDEX duty_record_newest ON duty_record (since DESC, id DESC);
CREATE INDEX duty_record_by_schedule ON duty_record (schedule, since DESC, id DESC);
CREATE INDEX duty_record_by_responder ON duty_record (responder, since DESC, id DESC);

-- When each schedule is to be looked at again: who is on call changes, a notice or a warning is due, or the revision is another.
CREATE TABLE duty_watch (
    schedule text PRIMARY KEY REFERENCES schedule ON DELETE CASCADE,
    look_at timestamptz NOT NULL,
    looked_at timestamptz,
    revision bigint NOT NULL,
    noticed_handoff timestamptz,
    version bigint NOT NULL DEFAULT 0
);
CREATE INDEX duty_watch_due ON duty_watch (look_at);
CREATE INDEX duty_watch_by_revision ON duty_watch (revision);

-- One row. Whoever changes anything that says who is on call counts the revision up, so that a copy in memory is known to be good.
CREATE TABLE oncall_revision (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    installation uuid NOT NULL DEFAULT gen_random_uuid(),
    revision bigint NOT NULL DEFAULT 1
);
INSERT INTO oncall_revision DEFAULT VALUES;

-- The version before changes schedules and overrides without knowing of the revision, and deletes by cascade: the tables count it themselves.
CREATE FUNCTION count_oncall_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE oncall_revision SET revision = revision + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER schedule_counts_revision AFTER INSERT OR UPDATE OR DELETE ON schedule FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();
CREATE TRIGGER override_counts_revision AFTER INSERT OR UPDATE OR DELETE ON duty_override FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();
CREATE TRIGGER temporary_counts_revision AFTER INSERT OR UPDATE OR DELETE ON temporary_schedule FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();
CREATE TRIGGER calendar_counts_revision AFTER INSERT OR UPDATE OR DELETE ON calendar FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();
CREATE TRIGGER responder_counts_revision AFTER INSERT OR UPDATE OR DELETE ON responder FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();
CREATE TRIGGER team_counts_revision AFTER INSERT OR UPDATE OR DELETE ON team FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();
CREATE TRIGGER policy_counts_revision AFTER INSERT OR UPDATE OR DELETE ON escalation_policy FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();

-- A gap that is seen ahead belongs to no escalation.
ALTER TABLE gap_report ALTER COLUMN escalation_id DROP NOT NULL;
ALTER TABLE gap_report ALTER COLUMN incident_id DROP NOT NULL;
CREATE UNIQUE INDEX gap_report_ahead ON gap_report (gap) WHERE escalation_id IS NULL;
