"""Simulated twins of the systems that connectors speak to: real HTTP servers with the same addresses, for tests, exercises and the demo."""
