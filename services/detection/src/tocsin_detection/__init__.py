"""Detection: decides whether what was reported is true. Signals in, alerts out."""
