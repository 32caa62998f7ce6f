"""The whole platform on one machine: embedded PostgreSQL and NATS, the six services, and the supervisor that keeps them alive."""
