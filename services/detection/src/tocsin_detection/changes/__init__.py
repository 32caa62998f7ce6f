"""Changes: what was done to a system on purpose (deployments, settings), told by those who did it. They wake nobody."""
