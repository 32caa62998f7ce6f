-- Rooms hear of a private incident only that there is one.

ALTER TABLE incident ADD COLUMN private boolean NOT NULL DEFAULT false;
