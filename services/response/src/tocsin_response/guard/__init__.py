"""What no action may do, whoever wants it."""
