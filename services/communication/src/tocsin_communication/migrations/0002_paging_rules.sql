-- Personal rules, limits, delegation, several accounts, what is known of contact methods, and what each attempt came to.

ALTER TABLE page
    ADD COLUMN urgency text NOT NULL DEFAULT 'HIGH',
    -- whose turn it is when many wait: the service, or whoever asks
    ADD COLUMN queue text NOT NULL DEFAULT '',
    -- pages of one summons or one direct request to one responder: an answer to one of them ends them all
    ADD COLUMN ask_id text NOT NULL DEFAULT '',
    ADD COLUMN escalation_id text NOT NULL DEFAULT '',
    -- it is to be answered though somebody has acknowledged
    ADD COLUMN stands boolean NOT NULL DEFAULT false,
    -- the account at the provider that the next or last attempt goes over; empty: the first
    ADD COLUMN account text NOT NULL DEFAULT '',
    -- attempts in a row that this account did not take
    ADD COLUMN failures integer NOT NULL DEFAULT 0,
    -- the account whose answer to an attempt is missing
    ADD COLUMN unknown_account text NOT NULL DEFAULT '',
    -- when a receipt should have come
    ADD COLUMN receipt_due_at timestamptz,
    ADD COLUMN bundle_id uuid,
    ADD COLUMN delegated_from text NOT NULL DEFAULT '',
    ADD COLUMN seen_at timestamptz;
CREATE INDEX page_receipt_due ON page (receipt_due_at) WHERE receipt_due_at IS NOT NULL;
CREATE INDEX page_provider_id ON page (provider_id) WHERE provider_id <> '' AND channel NOT IN ('EMAIL', 'WEBHOOK');
CREATE INDEX page_bundle ON page (bundle_id) WHERE bundle_id IS NOT NULL;

CREATE INDEX page_direct_ask ON page (ask_id) WHERE kind = 'DIRECT';

-- What each attempt came to; one that was taken the first time is told by its page alone.
CREATE TABLE page_attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    page_id uuid NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    account text NOT NULL,
    outcome text NOT NULL,
    detail text NOT NULL,
    provider_id text NOT NULL
);
CREATE INDEX page_attempt_page ON page_attempt (page_id, id);

-- Messages that are to be brought to what their incident is now.
CREATE TABLE page_edit (
    page_id uuid PRIMARY KEY,
    -- the turn of the incident that it is to show, or shows
    turn bigint NOT NULL,
    -- null: done
    due_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    lease_until timestamptz
);
CREATE INDEX page_edit_due ON page_edit (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE personal_rules (
    responder text PRIMARY KEY,
    rules bytea NOT NULL
);

CREATE TABLE page_limit (
    name text PRIMARY KEY,
    counts integer[] NOT NULL,
    spans interval[] NOT NULL
);

CREATE TABLE delegation (
    id uuid PRIMARY KEY,
    from_responder text NOT NULL,
    to_responder text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    reason text NOT NULL,
    made_by text NOT NULL,
    ended_at timestamptz
);
CREATE INDEX delegation_from ON delegation (from_responder, ends_at);
CREATE INDEX delegation_to ON delegation (to_responder, ends_at);

-- What is known of a contact method; it counts for the address that it had then.
CREATE TABLE contact_state (
    contact_method text PRIMARY KEY,
    address text NOT NULL,
    confirmed_at timestamptz,
    failing_since timestamptz,
    failing_reason text NOT NULL DEFAULT '',
    opted_out_at timestamptz,
    code_hash bytea,
    code_expires_at timestamptz,
    code_tries integer NOT NULL DEFAULT 0
);
CREATE INDEX contact_method_address ON contact_method (channel, address);

CREATE TABLE reachability (
    responder text PRIMARY KEY,
    checked_at timestamptz NOT NULL,
    problem text NOT NULL
);
-- Who is on call as far as response said.
CREATE TABLE duty (
    responder text PRIMARY KEY,
    until timestamptz NOT NULL
);

-- While there is a row here no page leaves.
CREATE TABLE paging_stop (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    reason text NOT NULL,
    stopped_by text NOT NULL,
    stopped_at timestamptz NOT NULL
);
