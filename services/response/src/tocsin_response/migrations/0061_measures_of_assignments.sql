-- What a runner did is undone by what it reported: the assignment keeps the prior state and what undoing needs.
ALTER TABLE measure ADD COLUMN assignment_id uuid;
DROP INDEX measure_of_step;
CREATE UNIQUE INDEX measure_of_assignment ON measure (assignment_id) WHERE assignment_id IS NOT NULL;
CREATE INDEX measure_of_run ON measure (run_id) WHERE run_id IS NOT NULL AND state <> 'LIFTED';
