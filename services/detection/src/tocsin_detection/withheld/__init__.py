"""Alerts of private incidents."""
