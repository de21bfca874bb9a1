"""What can go wrong in the engine, and what the caller should do.

EngineError
├── DatabaseError          the batch re-runs; nothing is known of a commit that was not answered
│   ├── DuplicateKey       somebody else inserted the row first: run again and look
│   └── DatabaseUnavailable
├── Overloaded             nothing was started: ask again later
├── DeadlineExceeded       not run, or the answer is unknown
├── ServiceUnavailable     no provider, or this one is stopping
├── BrokerUnavailable      nothing is known of what was sent: send again
├── RegistryUnavailable    the registry is closed: open another
└── OperationFailed        a bug in a service met this one request
"""


class EngineError(Exception):
    """Something failed below the services."""


class DatabaseError(EngineError):
    """The database failed; whether a commit took effect is unknown, so the batch runs again."""


class DuplicateKey(DatabaseError):
    """A row with this key exists already: run the batch again and answer from what is stored."""


class DatabaseUnavailable(DatabaseError):
    """The database does not answer, is busy or full: try again."""


class Overloaded(EngineError):
    """Too many calls are waiting; nothing was started, ask again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineExceeded(EngineError):
    """The deadline passed before an answer came; the call may or may not have taken effect."""


class ServiceUnavailable(EngineError):
    """Nobody offers this service now: it is starting, stopping, or not configured."""


class BrokerUnavailable(EngineError):
    """The broker does not answer; what was sent may or may not be stored, so send it again."""


class RegistryUnavailable(EngineError):
    """The registry is closed; a registry that is only away raises nothing, it is waited for."""


class OperationFailed(EngineError):
    """A function raised for this very request: a bug; the log has the traceback."""


MAX_TEXT = 2_000
"""Characters kept of why something failed."""


def text_of(error: BaseException) -> str:
    """What is stored of an error: short, and such that every database takes it."""
    return str(error)[:MAX_TEXT].encode(errors="replace").decode()
