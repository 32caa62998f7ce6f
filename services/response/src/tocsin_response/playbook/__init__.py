"""Playbooks, kept in versions, and their runs, which survive the end of any process."""
