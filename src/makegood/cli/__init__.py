"""The command `makegood`."""

from makegood.cli.main import main

__all__ = ["main"]
