"""What arrives by HTTP: Connect calls, reports of monitors, reply links, spans, the console."""
