-- How often an assignment was only found to be taken on: from then on it is handed out to be looked at, not to be done.
ALTER TABLE assignment ADD COLUMN looks integer NOT NULL DEFAULT 0;

-- Whether a measure was seen to be effective, and what the last look found.
ALTER TABLE measure ADD COLUMN verification text NOT NULL DEFAULT 'NONE'
    CHECK (verification IN ('NONE', 'AWAITED', 'EFFECTIVE', 'NOT_VERIFIED'));
ALTER TABLE measure ADD COLUMN finding text NOT NULL DEFAULT '';
UPDATE measure SET verification = 'EFFECTIVE' WHERE verified_at IS NOT NULL;
CREATE INDEX measure_awaited ON measure (run_id) WHERE verification = 'AWAITED';
