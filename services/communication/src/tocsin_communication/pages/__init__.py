"""Pages: what they are, how they are made, what they say."""
