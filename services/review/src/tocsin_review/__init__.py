"""Review: remembers what happened, and learns from it."""
