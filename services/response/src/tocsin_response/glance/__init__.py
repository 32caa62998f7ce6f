"""What those who hear facts about incidents have to know first, looked at once for all of them."""
