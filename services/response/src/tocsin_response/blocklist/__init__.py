"""Lists that firewalls and resolvers read here."""
