-- Whether a run of an exercise took it, at a simulated twin. Such measures were not entered before.
ALTER TABLE measure ADD COLUMN simulated boolean NOT NULL DEFAULT false;
