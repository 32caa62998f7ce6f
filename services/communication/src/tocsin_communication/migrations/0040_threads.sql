-- Which message of a chat the messages about an incident hang from, for every place that the incident is told in.
CREATE TABLE thread (
    incident_id text NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    root text NOT NULL,
    PRIMARY KEY (incident_id, channel, address)
);
