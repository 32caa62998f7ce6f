"""gRPC: the server, its interceptors, channels to other services, and who is calling."""
