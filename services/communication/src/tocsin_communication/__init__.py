"""Says it, and proves that it was delivered: contact methods, pages, replies."""
