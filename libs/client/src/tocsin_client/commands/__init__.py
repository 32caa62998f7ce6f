"""The commands of `tocsin`, one module for each noun."""
