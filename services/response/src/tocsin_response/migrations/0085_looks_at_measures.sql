-- A measure that was seen to be effective is looked at again: when next, how often it was, and how many looks in a row did not find it.
ALTER TABLE measure ADD COLUMN next_look_at timestamptz;
ALTER TABLE measure ADD COLUMN looks integer NOT NULL DEFAULT 0;
ALTER TABLE measure ADD COLUMN missed integer NOT NULL DEFAULT 0;
UPDATE measure SET next_look_at = now()
WHERE state = 'IN_FORCE' AND verification = 'EFFECTIVE' AND assignment_id IS NOT NULL AND NOT simulated;
CREATE INDEX measure_look ON measure (next_look_at) WHERE next_look_at IS NOT NULL AND state = 'IN_FORCE';
