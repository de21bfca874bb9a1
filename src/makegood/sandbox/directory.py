"""The folder the sandbox lives in: one sandbox at a time, its files readable by their owner only."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec


class SandboxError(Exception):
    """The sandbox cannot run; the message says what to do."""


@contextmanager
def locked(data: Path) -> Generator[None]:
    """Holds DIR for this process alone; raises SandboxError when another sandbox has it or it cannot be made."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data / "sandbox.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SandboxError(f"{data} cannot be used ({error}): choose another --data.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(f"Another sandbox is running in {data}: stop it, or choose another --data.") from None
        yield
    finally:
        os.close(descriptor)


def write_privately(path: Path, content: object) -> None:
    """Writes JSON that others can never read and nobody ever sees half written."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(msgspec.json.format(msgspec.json.encode(content), indent=2))
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
