-- The database of Tocsin and who may do what in it: one login role for each service, which owns one schema and sees no other.
-- Run by psql as a superuser, as often as you like; the passwords come from the environment and are set anew each time:
--   TOCSIN_DETECTION_PASSWORD TOCSIN_TRIAGE_PASSWORD TOCSIN_RESPONSE_PASSWORD TOCSIN_COMMUNICATION_PASSWORD TOCSIN_REVIEW_PASSWORD TOCSIN_EDGE_PASSWORD
-- psql -v ON_ERROR_STOP=1 -d postgres -f roles.sql
\set ON_ERROR_STOP 1
SET client_min_messages = warning;

\getenv detection_password TOCSIN_DETECTION_PASSWORD
\getenv triage_password TOCSIN_TRIAGE_PASSWORD
\getenv response_password TOCSIN_RESPONSE_PASSWORD
\getenv communication_password TOCSIN_COMMUNICATION_PASSWORD
\getenv review_password TOCSIN_REVIEW_PASSWORD
\getenv edge_password TOCSIN_EDGE_PASSWORD

SELECT 'CREATE DATABASE tocsin' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'tocsin') \gexec
\connect tocsin
SET client_min_messages = warning;
-- A failed statement would otherwise stand in the server's log with the password in it.
SET log_min_error_statement = panic;

REVOKE ALL ON DATABASE tocsin FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE TEMPORARY TABLE service (name text PRIMARY KEY, password text NOT NULL CHECK (password <> ''));
INSERT INTO service VALUES
    ('detection', :'detection_password'),
    ('triage', :'triage_password'),
    ('response', :'response_password'),
    ('communication', :'communication_password'),
    ('review', :'review_password'),
    ('edge', :'edge_password');

SELECT format('CREATE ROLE %I', 'tocsin_' || name) FROM service
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tocsin_' || name) \gexec
SELECT format(
        'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT PASSWORD %L', 'tocsin_' || name, password)
    FROM service \gexec
SELECT format('ALTER ROLE %I SET search_path = %I', 'tocsin_' || name, name) FROM service \gexec
SELECT format('GRANT CONNECT ON DATABASE tocsin TO %I', 'tocsin_' || name) FROM service \gexec
SELECT format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', name, 'tocsin_' || name) FROM service \gexec
SELECT format('ALTER SCHEMA %I OWNER TO %I', name, 'tocsin_' || name) FROM service \gexec
SELECT format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', name) FROM service \gexec
