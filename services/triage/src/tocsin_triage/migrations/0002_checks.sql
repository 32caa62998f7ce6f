-- The platform's checks of itself are numbered apart, below zero, and upwards: their newest has the highest number too.

CREATE SEQUENCE check_number MINVALUE -9000000000000000 MAXVALUE -1 START WITH -9000000000000000;
