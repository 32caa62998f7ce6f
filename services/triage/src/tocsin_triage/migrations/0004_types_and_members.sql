-- Which kind of trouble an incident is, and who may know of it.

ALTER TABLE incident
    ADD COLUMN type text NOT NULL DEFAULT 'operational'
        CHECK (type IN ('security', 'operational', 'compliance', 'performance', 'human_error')),
    ADD COLUMN private boolean NOT NULL DEFAULT false,
    -- Who may know of it while it is private.
    ADD COLUMN members text[] NOT NULL DEFAULT '{}';

ALTER TABLE route ADD COLUMN incident_type text;

-- Whoever was summoned or got a role, who become members should the incident become private.
CREATE TABLE involved (
    incident_id uuid NOT NULL,
    responder text NOT NULL,
    PRIMARY KEY (incident_id, responder)
);
