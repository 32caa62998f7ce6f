-- Who has delegated to whom, as communication tells it: a stand-in answers questions of runs in the place of whoever was asked.
CREATE TABLE delegation (
    id uuid PRIMARY KEY,
    from_responder text NOT NULL,
    to_responder text NOT NULL,
    starts_at timestamptz NOT NULL,
    -- as planned, or as it was ended early
    ends_at timestamptz NOT NULL,
    made_by text NOT NULL
);
CREATE INDEX delegation_ends ON delegation (ends_at);
-- Empty: whoever votes was asked themselves.
ALTER TABLE question_vote ADD COLUMN in_place_of text NOT NULL DEFAULT '';
