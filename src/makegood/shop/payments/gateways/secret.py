"""Keys and other secrets of a merchant: given as they are, or in a file that holds nothing else."""

from pathlib import Path

MAX_FILE = 256 * 1024
"""Largest file of keys that is read, in bytes."""


def secret(value: str, file: Path | None, name: str) -> str:
    """The secret called `name`: `value`, or else what the file holds, "" when neither is given.

    Raises ValueError when both are given, and for a file that cannot be read; it never quotes the secret.
    """
    if file is None:
        return value.strip()
    if value:
        raise ValueError(f"{name} is given twice: leave out {name} or {name}-file")
    try:
        if file.stat().st_size > MAX_FILE:
            raise ValueError(f"{name}-file {file} is larger than {MAX_FILE} bytes: give the file of the key")
        return file.read_text("utf-8").strip()
    except OSError as error:
        raise ValueError(f"{name}-file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not "from" it: it holds the bytes of the file.
        raise ValueError(f"{name}-file {file} is no text: give a PEM file") from None


def needed(value: str, file: Path | None, name: str) -> str:
    """The secret, which must be given. Raises ValueError."""
    found = secret(value, file, name)
    if not found:
        raise ValueError(f"{name} is missing: give {name} or {name}-file")
    return found
