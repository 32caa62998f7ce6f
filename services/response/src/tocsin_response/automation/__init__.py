"""Playbooks that facts start or propose."""
