-- Readiness asks for the last run on simulated systems.
CREATE INDEX run_simulated ON run (started_at) WHERE simulated;
