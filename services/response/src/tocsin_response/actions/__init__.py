"""What response does at other services."""
