"""Obligations: whom incidents have to be told to, and until when."""
