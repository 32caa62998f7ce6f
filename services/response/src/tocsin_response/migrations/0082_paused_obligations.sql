-- The clock of an obligation may stand still where its regime allows that.
ALTER TABLE obligation ADD COLUMN paused_at timestamptz;
ALTER TABLE obligation ADD COLUMN pause_reason text NOT NULL DEFAULT '';
ALTER TABLE obligation ADD COLUMN paused_for interval NOT NULL DEFAULT '0';
