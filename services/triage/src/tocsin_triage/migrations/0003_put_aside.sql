-- Who put the incident's only open alert aside, and has the incident until that ends; empty if nobody did.

ALTER TABLE incident ADD COLUMN aside_by text NOT NULL DEFAULT '';
