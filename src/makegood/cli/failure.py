"""How a command says that it cannot do what was asked."""


class CommandFailed(Exception):
    """The command failed; the message is one line that says what to do."""
