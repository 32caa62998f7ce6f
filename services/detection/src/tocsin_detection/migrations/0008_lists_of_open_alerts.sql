-- Lists of what one service has open, and of what is held back.
CREATE INDEX alert_newest_of_service ON alert (sender_service, opened_at, id);
CREATE INDEX alert_newest_held ON alert (opened_at, id) WHERE NOT told;
