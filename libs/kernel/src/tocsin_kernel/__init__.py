"""What every domain of Tocsin may import: clock, ids, errors, decisions."""
