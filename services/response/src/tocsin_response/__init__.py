"""Response decides who is asked, and when."""
