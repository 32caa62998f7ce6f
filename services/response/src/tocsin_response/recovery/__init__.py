"""Looking out for the return of incidents."""
