"""Real servers, the outside world, and the words stories are told in."""
