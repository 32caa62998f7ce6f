"""Triage: decides whether what is true matters."""
