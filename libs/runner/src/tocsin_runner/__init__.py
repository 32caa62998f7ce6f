"""Carries out the steps of playbooks, apart from the platform and without its secrets."""
