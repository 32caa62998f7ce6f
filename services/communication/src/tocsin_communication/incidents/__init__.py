"""The copies of incidents that pages are about."""
