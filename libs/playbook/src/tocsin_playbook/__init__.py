"""The rules of playbooks: what one says, what is wrong with it, what it would do, and what a run does next. Pure."""
