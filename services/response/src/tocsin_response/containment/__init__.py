"""What was done to contain incidents, and that nothing of it is forgotten."""
