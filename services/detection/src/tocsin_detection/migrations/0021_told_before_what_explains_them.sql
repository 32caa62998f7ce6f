-- Where an alert has just opened that explains others: those that were told before are judged again, outside of the report's transaction.

CREATE TABLE noise_newly_explained (
    rule text NOT NULL,
    key text NOT NULL,
    PRIMARY KEY (rule, key)
);
