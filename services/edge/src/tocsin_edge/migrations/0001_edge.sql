-- Who may come in, what they changed, and the spans that this installation keeps. Every secret is stored as its SHA-256.

CREATE TABLE account (
    name text PRIMARY KEY,
    role smallint NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE sign_in_link (
    token_hash bytea PRIMARY KEY,
    account text NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX sign_in_link_expiry ON sign_in_link (expires_at);

CREATE TABLE session (
    token_hash bytea PRIMARY KEY,
    account text NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX session_expiry ON session (expires_at);

CREATE TABLE api_key (
    name text PRIMARY KEY,
    key_hash bytea NOT NULL UNIQUE,
    role smallint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz
);

CREATE TABLE audit_entry (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    caller text NOT NULL,
    method text NOT NULL,
    outcome text NOT NULL,
    trace_id text NOT NULL
);

-- Numbers the changes of each service's configuration: the version of its ConfigurationChanged facts.
CREATE TABLE configuration_version (
    service text PRIMARY KEY,
    version bigint NOT NULL
);

CREATE TABLE span (
    position bigint GENERATED ALWAYS AS IDENTITY,
    trace_id bytea NOT NULL,
    span_id bytea NOT NULL,
    parent_span_id bytea NOT NULL,
    name text NOT NULL,
    service text NOT NULL,
    kind smallint NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    error text NOT NULL,
    attributes jsonb NOT NULL,
    linked_trace_ids text[] NOT NULL,
    incident_id text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (trace_id, span_id)
);
CREATE UNIQUE INDEX span_position ON span (position);
CREATE INDEX span_received ON span (received_at);
CREATE INDEX span_incident ON span (incident_id, trace_id) WHERE incident_id <> '';
