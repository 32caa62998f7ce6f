-- A calendar may be read from an address again and again. `fetched` is what was read last; where reading fails it stays.
ALTER TABLE calendar
    ADD COLUMN url text NOT NULL DEFAULT '',
    ADD COLUMN fetched text NOT NULL DEFAULT '',
    ADD COLUMN fetch_at timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN fetch_error text NOT NULL DEFAULT '';
CREATE INDEX calendar_to_fetch ON calendar (fetch_at) WHERE url <> '';

-- When it is read next changes nothing of who is on call.
DROP TRIGGER calendar_counts_revision ON calendar;
CREATE TRIGGER calendar_counts_revision
    AFTER INSERT OR DELETE OR UPDATE OF display_name, kind, responder, time_zone, text, url, fetched ON calendar
    FOR EACH STATEMENT EXECUTE FUNCTION count_oncall_revision();
