-- What became of requests through Opsgenie's API: its clients ask for it by the id that they were answered.

CREATE TABLE opsgenie_request (
    id uuid PRIMARY KEY,
    integration text NOT NULL,
    action text NOT NULL,
    success boolean NOT NULL,
    status text NOT NULL,
    alert_id text NOT NULL,
    alias text NOT NULL,
    processed_at timestamptz NOT NULL
);

CREATE INDEX opsgenie_request_age ON opsgenie_request (processed_at);
