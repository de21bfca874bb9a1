"""Which problem each exception is; what no client can know about stays in the log."""

import logging
from collections.abc import Mapping
from typing import Any

from litestar.exceptions import HTTPException, ValidationException

from makegood.engine import tracing
from makegood.engine.errors import DatabaseError, DeadlineExceeded, Overloaded, ServiceUnavailable
from makegood.engine.tracing.names import MAX_LENGTH
from makegood.web.asgi import Scope
from makegood.web.problems import Problem

log = logging.getLogger(__name__)

READS = ("GET", "HEAD")
BODY = "makegood.body"
"""Where a request's scope keeps the body that was read from it."""
_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def problem_of(error: Exception, scope: Scope) -> Problem:
    """The problem to answer this request with.

    What the shop failed at is logged, with the ids that the request names; what is a bug with its traceback.
    """
    match error:
        case Problem():
            return error
        case Overloaded():
            return Problem("overloaded", retry_after=error.retry_after)
        case DeadlineExceeded() | TimeoutError():
            log.warning("a request was not answered in time: %s", error, extra=_named_by(scope))
            return Problem("timeout")
        case ServiceUnavailable() | DatabaseError():
            log.warning("a service failed a request: %s", error, extra=_named_by(scope))
            # 503 promises that nothing was done; where something may have been written nobody knows.
            reads = scope["method"] in READS
            return Problem("unavailable") if reads else Problem("timeout", "The outcome is not known")
        case HTTPException() if error.status_code < 500:
            return _of_framework(error)
        case _:
            log.error("a request failed", exc_info=error, extra=_named_by(scope))
            return Problem("internal_error")


def _named_by(scope: Scope) -> dict[str, str]:
    """The ids in its path and in its body; those in the path win."""
    params: Mapping[str, Any] = scope.get("path_params") or {}
    texts = {name: str(value) for name, value in params.items() if name.endswith("_id")}
    path = {name: text for name, text in texts.items() if len(text) <= MAX_LENGTH}
    return tracing.names_of(scope.get(BODY)) | path


def _of_framework(error: HTTPException) -> Problem:
    if isinstance(error, ValidationException):
        return Problem("malformed", "A parameter is not as it should be", problems=_listed(error.extra))
    code = _BY_STATUS.get(error.status_code, "malformed")
    allow = (error.headers or {}).get("allow", "")
    return Problem(code, allow=allow)


def _listed(extra: object) -> list[str]:
    found = extra if isinstance(extra, list) else []
    return [f"{one.get('key', 'request')}: {one.get('message', '')}" for one in found if isinstance(one, dict)]
