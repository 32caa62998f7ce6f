-- Contact methods, what is known of incidents, pages, and the secret of reply links.

CREATE TABLE contact_method (
    name text PRIMARY KEY,
    responder text NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    -- null: not given, which means at once
    delay interval
);
CREATE INDEX contact_method_responder ON contact_method (responder, name);

-- A copy taken from facts; triage owns the original.
CREATE TABLE incident (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    number bigint NOT NULL,
    title text NOT NULL,
    summary text NOT NULL,
    service text NOT NULL,
    severity text NOT NULL,
    state text NOT NULL,
    opened_at timestamptz NOT NULL,
    acknowledged_by text NOT NULL,
    resolve_reason text NOT NULL,
    -- the version at which the state or the taker last changed, as far as this service heard
    turn bigint NOT NULL,
    -- when a provider first accepted a summons since it opened
    first_told_at timestamptz
);

CREATE TABLE page (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    incident_id text NOT NULL,
    -- when the incident opened for which the page was made; tells one opening from the next
    opening timestamptz,
    turn bigint NOT NULL DEFAULT 0,
    summons_id text NOT NULL,
    responder text NOT NULL,
    contact_method text NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    -- who carries it: one that is slow holds up only its own pages
    provider text NOT NULL,
    state text NOT NULL,
    state_reason text NOT NULL,
    reason text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    outcome_unknown boolean NOT NULL DEFAULT false,
    resent_after_unknown boolean NOT NULL DEFAULT false,
    provider_id text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    -- when it is to be handed over next
    attempt_at timestamptz NOT NULL,
    sent_at timestamptz,
    delivered_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    traceparent text NOT NULL DEFAULT '',
    -- of the attempt that is under way; only its holder may record the outcome
    fence bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    -- SHA-256 of the secret in the reply link; null if the page has none
    token_hash bytea,
    used_at timestamptz
);
CREATE INDEX page_waiting ON page (attempt_at) WHERE state = 'PENDING';
CREATE INDEX page_under_way ON page (lease_until) WHERE state = 'SENDING';
CREATE INDEX page_incident ON page (incident_id, id DESC);
CREATE INDEX page_responder ON page (responder, id DESC);
CREATE UNIQUE INDEX page_link ON page (token_hash) WHERE token_hash IS NOT NULL;
-- Whoever was told is told once of each turn.
CREATE UNIQUE INDEX page_told_once ON page (incident_id, turn, kind, contact_method) WHERE kind IN ('TAKEN', 'RESOLVED');

CREATE TABLE reply_secret (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    secret text NOT NULL
);
