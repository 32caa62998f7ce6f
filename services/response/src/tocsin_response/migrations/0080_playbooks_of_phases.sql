-- A plan may have playbooks for a phase: what is proposed or started for it then names the plan, its version and the phase.
ALTER TABLE proposal ADD COLUMN plan text NOT NULL DEFAULT '';
ALTER TABLE proposal ADD COLUMN plan_version bigint NOT NULL DEFAULT 0;
ALTER TABLE proposal ADD COLUMN phase smallint NOT NULL DEFAULT 0;
