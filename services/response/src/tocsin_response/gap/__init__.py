"""Coverage gaps, and the alerts about them."""
