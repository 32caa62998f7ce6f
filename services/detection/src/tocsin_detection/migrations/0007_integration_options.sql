-- What can be set for an integration, and the secrets by which its sender signs.

ALTER TABLE integration
    ADD COLUMN options jsonb NOT NULL DEFAULT '{}',
    -- The newest first, at most two. They are kept as they are, because a signature cannot be verified with a hash.
    ADD COLUMN secrets text[] NOT NULL DEFAULT '{}';
