"""Postgres: transactions, migrations, outbox, inbox, dead letters."""
