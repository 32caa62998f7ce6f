-- Lists of pages in a rare state, over a rare channel, or both, and of those to one contact method.
CREATE INDEX page_state ON page (state, channel, id);
CREATE INDEX page_contact_method ON page (contact_method, id);
