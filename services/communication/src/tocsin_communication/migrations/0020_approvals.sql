-- Questions of runs that nobody needs to answer any more; what links in pages about them say.

CREATE TABLE question_closed (
    question_id text PRIMARY KEY,
    -- how it ended, for people
    how text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX page_question ON page (summons_id) WHERE kind = 'APPROVAL';
