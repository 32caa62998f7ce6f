"""What Opsgenie's Alert and Heartbeat APIs do beside opening alerts: read, search, change, and ping."""
