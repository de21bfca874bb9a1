"""Who may do what: guards for users, for operators, and for either."""

import hmac
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from makegood.web.asgi import header
from makegood.web.problems import Problem
from makegood.web.tokens import Tokens, bearer

UserRequest = Request[str, None, Any]
"""A request whose `user` a guard has made sure of."""
Connection = ASGIConnection[Any, Any, Any, Any]

USER: list[dict[str, list[str]]] = [{"user": []}]
OPERATOR: list[dict[str, list[str]]] = [{"operator": []}]
EITHER: list[dict[str, list[str]]] = [{"user": []}, {"operator": []}]


class Access:
    """Checks bearer tokens: no or a bad one is 401, a user's where operators belong is 403."""

    def __init__(self, tokens: Tokens, operators_token: str) -> None:
        self._tokens = tokens
        self._operators_token = operators_token.encode()

    def user(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Lets users in, and notes who it is."""
        connection.scope["user"] = self._tokens.user_of(_authorization(connection))

    def operator(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Lets operators in."""
        authorization = _authorization(connection)
        if not self._is_operator(authorization):
            self._tokens.user_of(authorization)
            raise Problem("not_operator")

    def either(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Lets users and operators in."""
        if not self._is_operator(_authorization(connection)):
            self.user(connection, handler)

    def _is_operator(self, authorization: bytes | None) -> bool:
        return hmac.compare_digest(bearer(authorization), self._operators_token)


def _authorization(connection: Connection) -> bytes | None:
    return header(connection.scope["headers"], b"authorization")  # pyright: ignore[reportArgumentType]
