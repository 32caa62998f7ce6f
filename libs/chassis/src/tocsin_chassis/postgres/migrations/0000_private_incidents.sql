-- Which incidents only their members may know of: a copy in every service that tells of incidents. Incidents that never were private have no row.

CREATE TABLE incident_privacy (
    incident_id uuid PRIMARY KEY,
    private boolean NOT NULL,
    members text[] NOT NULL,
    version bigint NOT NULL
);
