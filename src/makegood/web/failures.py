"""Which problem each exception is; what no client can know about stays in the log."""

import logging

from litestar.exceptions import HTTPException, ValidationException

from makegood.engine.errors import DatabaseError, DeadlineExceeded, Overloaded, ServiceUnavailable
from makegood.web.problems import Problem

log = logging.getLogger(__name__)

READS = ("GET", "HEAD")
_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def problem_of(error: Exception, method: str) -> Problem:
    """The problem to answer a request of this method with; what is a bug is logged with its traceback."""
    match error:
        case Problem():
            return error
        case Overloaded():
            return Problem("overloaded", retry_after=error.retry_after)
        case DeadlineExceeded() | TimeoutError():
            return Problem("timeout")
        case ServiceUnavailable() | DatabaseError():
            log.warning("a service failed a request: %s", error)
            # 503 promises that nothing was done; where something may have been written nobody knows.
            return Problem("unavailable") if method in READS else Problem("timeout", "The outcome is not known")
        case HTTPException() if error.status_code < 500:
            return _of_framework(error)
        case _:
            log.error("a request failed", exc_info=error)
            return Problem("internal_error")


def _of_framework(error: HTTPException) -> Problem:
    if isinstance(error, ValidationException):
        return Problem("malformed", "A parameter is not as it should be", problems=_listed(error.extra))
    code = _BY_STATUS.get(error.status_code, "malformed")
    allow = (error.headers or {}).get("allow", "")
    return Problem(code, allow=allow)


def _listed(extra: object) -> list[str]:
    found = extra if isinstance(extra, list) else []
    return [f"{one.get('key', 'request')}: {one.get('message', '')}" for one in found if isinstance(one, dict)]
