"""Faults of a whole installation under load, and the auditor of what became of it."""
