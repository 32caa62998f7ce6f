"""What can be wrong with this machine or folder, told so that the operator can mend it."""


class StandaloneError(Exception):
    """The platform cannot run here as things are. The text says what is wrong and how to mend it."""


class Interrupted(Exception):
    """The operator asked to stop while something was being waited for."""
