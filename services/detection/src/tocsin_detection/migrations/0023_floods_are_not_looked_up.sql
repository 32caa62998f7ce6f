-- What a flood holds back comes by the ten thousand and is never looked up by what holds it, but at the end of the flood: reading all that
-- are held once costs less than an entry for each of them. What floods has no other hold, see telling.py.

DROP INDEX alert_held;
CREATE INDEX alert_held ON alert USING gin (holds jsonb_path_ops) WHERE NOT told AND (holds -> 0 ->> 'kind') <> 'STORM';
