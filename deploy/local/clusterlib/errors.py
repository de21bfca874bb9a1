"""What can go wrong so that a person can do something about it."""


class ClusterError(Exception):
    """The cluster cannot do what was asked; the message says why, and what to do."""
