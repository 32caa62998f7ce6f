-- What each connector of a runner can do, by name; empty: an older runner does not tell.
ALTER TABLE runner ADD COLUMN connectors jsonb NOT NULL DEFAULT '{}';
