"""Who is asked about an incident, in which order, for how long."""
