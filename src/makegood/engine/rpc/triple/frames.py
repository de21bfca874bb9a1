"""What makegood's processes say to each other on a stream: frames of many questions, frames of many answers.

MessagePack of the contracts' structs: a fifth of protobuf's cost. Structs travel as maps, so a field that one side
does not know is left out of account, and one that is missing has its default: a rolling upgrade works.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from makegood.engine.errors import (
    MAX_TEXT,
    DatabaseError,
    DatabaseUnavailable,
    DeadlineExceeded,
    DuplicateKey,
    EngineError,
    OperationFailed,
    Overloaded,
    ServiceUnavailable,
)

MAX_CALLS = 256
"""Most questions, or answers, in a frame."""
MAX_FRAME = 4 * 1024 * 1024
"""Bytes after which a frame takes no further one."""
MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of the largest single question or answer."""


class NotTaken(ServiceUnavailable):
    """The process did not take the question: nothing has been done about it, another may be asked."""


class Lost(ServiceUnavailable):
    """The process went away while it was asked: whether the question took effect is not known."""


ANSWERED = ""
"""The kind of an answer that is one."""


GOODBYE = 0
"""The number of an answer to no question: the process stops, ask it nothing more on this stream and close your side."""


class Ask(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A question: its number on this stream, `orders.place`, the milliseconds that its asker still waits, its trace.

    Numbers begin with 1.
    """

    number: int
    operation: str
    remaining: int
    trace: str
    request: msgspec.Raw


class Answer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer to a question, or why there is none: then `kind` names an error and `text` says more.

    `retry_after` in seconds.
    """

    number: int
    kind: str
    body: msgspec.Raw
    text: str = ""
    retry_after: float = 0.0


_ERRORS: dict[str, Callable[[str], EngineError]] = {
    one.__name__: one
    for one in (
        DatabaseError,
        DatabaseUnavailable,
        DeadlineExceeded,
        DuplicateKey,
        Lost,
        NotTaken,
        OperationFailed,
        ServiceUnavailable,
    )
}
NOTHING = msgspec.Raw(msgspec.msgpack.encode(None))
LEAVING = Answer(GOODBYE, NotTaken.__name__, NOTHING, "the process stops")

encode: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode
asks = msgspec.msgpack.Decoder(list[Ask])
answers = msgspec.msgpack.Decoder(list[Answer])
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)
"""What decoding raises: msgspec lets text that is no UTF-8 through as what it is."""


@lru_cache(maxsize=1024)
def decoder(kind: Any) -> "msgspec.msgpack.Decoder[Any]":
    """Reads one type of question or answer."""
    return msgspec.msgpack.Decoder(kind)


def failed(number: int, error: BaseException) -> Answer:
    """How an operation's error travels; what is none of the engine's is a bug in it.

    What came of a question that the operation itself asked says nothing of this one: it is a mere ServiceUnavailable.
    """
    text = str(error)[:MAX_TEXT]
    if isinstance(error, Overloaded):
        return Answer(number, "Overloaded", NOTHING, text, error.retry_after)
    if isinstance(error, ServiceUnavailable):
        return Answer(number, ServiceUnavailable.__name__, NOTHING, text)
    known = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _ERRORS), "OperationFailed")
    return Answer(number, known, NOTHING, text)


def not_answered(number: int, error: NotTaken | Lost) -> Answer:
    """That this process did not take the question, or was stopped over it."""
    return Answer(number, type(error).__name__, NOTHING, str(error)[:MAX_TEXT])


def error_of(answer: Answer) -> EngineError:
    """The error as the caller of a service in its own process would have met it."""
    if answer.kind == "Overloaded":
        return Overloaded(answer.text, answer.retry_after)
    return _ERRORS.get(answer.kind, OperationFailed)(answer.text)
