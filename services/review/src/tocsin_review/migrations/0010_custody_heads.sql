-- Heads of response's custody ledger as they were told. One of the same size that says something else stays beside it: that is what they are for.
CREATE TABLE custody_head (
    size bigint NOT NULL,
    root text NOT NULL,
    head bytea NOT NULL,
    PRIMARY KEY (size, root)
);
