-- What is about a service and no incident: changes, silences, configurations. It belongs to every incident of the service that was open then.

ALTER TABLE timeline
    -- The service that such a line is about; "*": all of them; empty: the line is about an incident or an alert.
    ADD COLUMN service text NOT NULL DEFAULT '';
CREATE INDEX timeline_of_service ON timeline (service, at, rank, id) WHERE service <> '';
