"""What a CACAO command of each type means here."""
