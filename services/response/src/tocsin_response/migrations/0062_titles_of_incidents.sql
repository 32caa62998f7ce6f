-- A return is known by the titles of an incident's alerts; how many alerts bore one is for nobody.
CREATE TABLE incident_title (
    incident_id uuid NOT NULL,
    title text NOT NULL,
    PRIMARY KEY (incident_id, title)
);
INSERT INTO incident_title (incident_id, title) SELECT DISTINCT incident_id, title FROM incident_alert;
DROP TABLE incident_alert;
