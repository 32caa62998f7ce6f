-- The alerts of incidents that are or were private: triage tells of them. The columns are what the chassis asks of things that belong to incidents.
CREATE TABLE withheld_alert (
    id uuid PRIMARY KEY,
    incident_id uuid NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX withheld_alert_at ON withheld_alert (at);
