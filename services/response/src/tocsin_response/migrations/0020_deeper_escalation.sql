ALTER TABLE team
    ADD COLUMN managers text[] NOT NULL DEFAULT '{}',
    ADD COLUMN time_zone text NOT NULL DEFAULT '';

CREATE TABLE business_hours (
    name text PRIMARY KEY,
    definition jsonb NOT NULL
);

-- severity orders what is overdue; first_due_at and ended_at are for the auditor (null: begun by an older version).
ALTER TABLE escalation
    ADD COLUMN acknowledged_by text[] NOT NULL DEFAULT '{}',
    ADD COLUMN needed integer NOT NULL DEFAULT 1,
    ADD COLUMN waiting boolean NOT NULL DEFAULT false,
    ADD COLUMN severity smallint NOT NULL DEFAULT 3,
    ADD COLUMN first_due_at timestamptz,
    ADD COLUMN ended_at timestamptz;
CREATE INDEX escalation_by_start ON escalation (started_at);

-- Either a responder or a contact is asked; the other is empty. An answer is given to a summons that somebody asked for.
ALTER TABLE summons
    ADD COLUMN contact text NOT NULL DEFAULT '',
    ADD COLUMN urgency text NOT NULL DEFAULT 'HIGH' CHECK (urgency IN ('HIGH', 'LOW')),
    ADD COLUMN stands boolean NOT NULL DEFAULT false,
    ADD COLUMN every_channel boolean NOT NULL DEFAULT false,
    ADD COLUMN answer text NOT NULL DEFAULT '' CHECK (answer IN ('', 'ACCEPTED', 'DECLINED')),
    ADD COLUMN answer_reason text NOT NULL DEFAULT '',
    ADD COLUMN answered_at timestamptz;

-- Whose turn it was last, and the list as it was then, for each step that asks one of many. The key is "policy/step".
CREATE TABLE round_robin (
    key text PRIMARY KEY,
    last text NOT NULL,
    ring text[] NOT NULL
);

-- Until when an acknowledgement is good. The row goes when somebody does something, when the incident ends, or when it fires.
CREATE TABLE acknowledge_timer (
    incident_id uuid PRIMARY KEY,
    acknowledged_by text NOT NULL,
    after interval NOT NULL,
    due_at timestamptz NOT NULL
);
CREATE INDEX acknowledge_timer_due ON acknowledge_timer (due_at);

-- Every step that was taken after the first: when it was due, when it was taken, when the next one is. due_at is null for one by hand.
CREATE TABLE escalation_firing (
    escalation_id uuid NOT NULL REFERENCES escalation ON DELETE CASCADE,
    version bigint NOT NULL,
    step integer NOT NULL,
    round integer NOT NULL,
    due_at timestamptz,
    fired_at timestamptz NOT NULL,
    next_due_at timestamptz,
    PRIMARY KEY (escalation_id, version)
);

-- What the auditor found; alert_id is set once detection has heard of it.
CREATE TABLE audit_finding (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    incident_id uuid NOT NULL,
    escalation_id uuid,
    due_at timestamptz,
    text text NOT NULL,
    found_at timestamptz NOT NULL,
    alert_id uuid,
    UNIQUE NULLS NOT DISTINCT (kind, incident_id, escalation_id, due_at)
);
CREATE INDEX audit_finding_waiting ON audit_finding (found_at) WHERE alert_id IS NULL;

-- What escalations are begun by is in memory too, as long as the revision is the same.
CREATE TRIGGER hours_count_revision AFTER INSERT OR UPDATE OR DELETE ON business_hours FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();
CREATE TRIGGER fallback_counts_revision AFTER INSERT OR UPDATE OR DELETE ON platform_fallback FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();
