"""What keeps a bench from being run; what a bench finds wrong is in its result."""


class BenchError(Exception):
    """The bench cannot go on; the message is one line that says what to do."""
