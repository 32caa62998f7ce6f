"""Answers of responders, by whatever way they come: link, button, reply, keypad, command line, console. All end in one use case."""
