"""Heartbeats: what is expected to report in regularly, and the alert when it does not."""
