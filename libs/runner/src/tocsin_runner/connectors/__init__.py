"""The catalogue of connectors: how actions are done at the systems of others, looked at, and undone."""
