-- What was done to systems on purpose, told by those who did it.

CREATE TABLE change (
    id uuid PRIMARY KEY,
    integration text NOT NULL,
    fingerprint text NOT NULL,
    service text NOT NULL,
    summary text NOT NULL,
    source text NOT NULL,
    happened_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    details jsonb NOT NULL,
    links jsonb NOT NULL
);

-- A change that is told again is known.
CREATE UNIQUE INDEX change_once ON change (integration, fingerprint);
-- The lists, newest first: all, those of one service, those of one integration.
CREATE INDEX change_newest ON change (happened_at, id);
CREATE INDEX change_newest_of_service ON change (service, happened_at, id);
CREATE INDEX change_newest_of_integration ON change (integration, happened_at, id);
-- What has been kept long enough.
CREATE INDEX change_age ON change (received_at);
