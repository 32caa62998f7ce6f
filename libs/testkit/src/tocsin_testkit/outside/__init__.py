"""The outside world as small servers that speak the real protocols."""
