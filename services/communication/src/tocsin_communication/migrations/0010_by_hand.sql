-- What responders add and set by hand, beside what files hold.

-- empty: files hold it
ALTER TABLE contact_method ADD COLUMN added_by text NOT NULL DEFAULT '';

-- They come before those of the same responder in personal_rules, which files hold.
CREATE TABLE rules_by_hand (
    responder text PRIMARY KEY,
    rules bytea NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL
);
