"""What can be kept in files: applied, compared, exported."""
