"""What is remembered of mail: which thing a thread is about."""
