"""Lines of the log, for people or for a log store.

A JSON line has `time` (RFC 3339, UTC), `level`, `logger`, `message`, `process`, and where they are known `trace_id`,
the ids of what it is about (`order_id`, `payment_id`, …) and `exception` with its traceback. They come from the context
in which it is written, and from `extra=` of the call, which wins.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from makegood.engine import tracing

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LONGEST = 32_768
"""Most characters of a message or a traceback; the middle of what is longer is left out."""
LEFT_OUT = " … "


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": shortened(record.getMessage()),
            "process": self._process,
        }
        line |= _marks(record)
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = shortened(self.formatException(record.exc_info))
        return self._encode(line).decode()


def configure(form: str, level: str, process: str) -> None:
    """From now on this process's log is written so, to standard error, and in no other way."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process) if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def shortened(text: str) -> str:
    """The text, or its beginning and its end."""
    if len(text) <= LONGEST:
        return text
    half = (LONGEST - len(LEFT_OUT)) // 2
    return text[:half] + LEFT_OUT + text[-half:]


def _marks(record: logging.LogRecord) -> dict[str, str]:
    marks = dict(tracing.subject_of())
    if trace := tracing.current():
        marks["trace_id"] = tracing.trace_id_of(trace)
    for name, value in vars(record).items():
        if value and (name.endswith("_id") or name == tracing.NUMBER):
            marks[name] = str(value)
    return marks
