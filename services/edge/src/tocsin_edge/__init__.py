"""The front door: authentication, one address for every public service, intake, live updates, spans, console."""
