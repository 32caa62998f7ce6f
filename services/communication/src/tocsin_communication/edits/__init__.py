"""Brings messages that were sent to what their incident is now, on the channels that can."""
