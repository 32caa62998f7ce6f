"""A fake outside world: a mailbox where the pages arrive, an example organisation, and three incidents to watch."""
