"""Pages by itself when the platform does not."""
