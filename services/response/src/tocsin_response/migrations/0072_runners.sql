-- The runners that ask for work, and what they have; those that are gone for long are forgotten.
CREATE TABLE runner (
    name text PRIMARY KEY,
    capabilities text[] NOT NULL,
    seen_at timestamptz NOT NULL
);
