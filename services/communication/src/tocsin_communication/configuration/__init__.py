"""What files hold of all this."""
