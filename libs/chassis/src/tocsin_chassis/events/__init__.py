"""Facts: streams, the relay that publishes the outbox, and consumers."""
