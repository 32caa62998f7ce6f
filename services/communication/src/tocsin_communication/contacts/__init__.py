"""Whether responders can be reached: contact methods and what is known of them, confirmation, the weekly check."""
