-- collected: what was said of the item when it came, as the ledger's entry holds it too.
CREATE TABLE evidence (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL,
    parent_id uuid REFERENCES evidence,
    kind text NOT NULL,
    collected jsonb NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint NOT NULL,
    added_at timestamptz NOT NULL,
    added_by text NOT NULL,
    custodian text NOT NULL,
    state text NOT NULL CHECK (state IN ('HELD', 'RELEASE_ASKED', 'RELEASED')),
    legal_hold boolean NOT NULL,
    release_asked_by text NOT NULL,
    release_reason text NOT NULL,
    entry bigint NOT NULL
);
CREATE INDEX evidence_by_incident ON evidence (incident_id, id);
CREATE INDEX evidence_by_parent ON evidence (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX evidence_by_hash ON evidence (sha256);

CREATE TABLE custody_entry (
    index bigint PRIMARY KEY,
    action text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL,
    evidence_id text NOT NULL,
    incident_id text NOT NULL,
    reason text NOT NULL,
    payload text NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE INDEX custody_entry_by_item ON custody_entry (evidence_id, index) WHERE evidence_id <> '';
CREATE INDEX custody_entry_by_incident ON custody_entry (incident_id, index);

-- Where the ledger goes on: one row, which whoever appends locks. peaks: the roots of its complete subtrees, the largest first.
CREATE TABLE custody_state (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    size bigint NOT NULL,
    last bytea NOT NULL,
    peaks bytea[] NOT NULL
);
INSERT INTO custody_state (size, last, peaks) VALUES (0, '', '{}');

CREATE TABLE custody_head (
    size bigint PRIMARY KEY,
    root bytea NOT NULL,
    signed_at timestamptz NOT NULL,
    signature bytea NOT NULL,
    public_key bytea NOT NULL
);

-- What was entered stays: neither the service nor a slip of the hand can change or remove it.
CREATE FUNCTION refuse_custody_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the custody ledger only grows' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER custody_entry_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_custody_change();
CREATE TRIGGER custody_head_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_custody_change();
CREATE TRIGGER evidence_stays BEFORE DELETE OR TRUNCATE ON evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_custody_change();
REVOKE UPDATE, DELETE, TRUNCATE ON custody_entry, custody_head FROM CURRENT_USER;
REVOKE DELETE, TRUNCATE ON evidence FROM CURRENT_USER;
