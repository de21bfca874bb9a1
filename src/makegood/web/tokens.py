"""Session tokens: JWT signed with HMAC-SHA256, checked against the shop's own clock."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from makegood.shop.types import User
from makegood.web.problems import Problem

ALGORITHM = "HS256"
MAX_HEADER = 1_024
"""Longest Authorization header that is looked at, in bytes."""
MAX_VERIFIED = 10_000
"""Most verified tokens kept in memory; the one used longest ago goes first."""
_SCHEME = b"bearer "


class Claims(msgspec.Struct, frozen=True):
    """What a token says: who, and from when until when (seconds since 1970-01-01 UTC)."""

    sub: User
    iat: int
    exp: int


class Session(NamedTuple):
    """A token, and when it expires (ms UTC)."""

    token: str
    expires_at: int


class _Verified(NamedTuple):
    user: str
    expires_at: int


class Tokens:
    """Issues session tokens and verifies them; PyJWT checks signatures only, so that time is the shop's alone."""

    def __init__(self, key: bytes, seconds: int, now: Callable[[], int]) -> None:
        self._key = key
        self._seconds = seconds
        self._now = now
        self._signatures = PyJWS(algorithms=[ALGORITHM])
        self._claims = msgspec.json.Decoder(Claims)
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    def __len__(self) -> int:
        """How many verified tokens are remembered."""
        return len(self._verified)

    def issue(self, user: str) -> Session:
        """A token for this user, valid from now on."""
        issued = self._now() // 1000
        claims = Claims(user, issued, issued + self._seconds)
        token = self._signatures.encode(msgspec.json.encode(claims), self._key, ALGORITHM)
        return Session(token, claims.exp * 1000)

    def user_of(self, authorization: bytes | None) -> str:
        """Whose token this Authorization header bears; raises Problem unauthorized."""
        if authorization is None:
            raise Problem("unauthorized")
        known = self._verified.get(authorization)
        if known is None:
            known = self._remember(authorization, self._verify(authorization))
        else:
            self._verified.move_to_end(authorization)
        if known.expires_at <= self._now():
            del self._verified[authorization]
            raise Problem("unauthorized", "The token has expired")
        return known.user

    def _verify(self, authorization: bytes) -> _Verified:
        token = bearer(authorization)
        try:
            claims = self._claims.decode(self._signatures.decode(token, self._key, algorithms=[ALGORITHM]))
        except (PyJWTError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Problem("unauthorized", "The token is not one of this shop") from error
        return _Verified(claims.sub, claims.exp * 1000)

    def _remember(self, authorization: bytes, verified: _Verified) -> _Verified:
        self._verified[authorization] = verified
        if len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)
        return verified


def bearer(authorization: bytes | None) -> bytes:
    """The token of an Authorization header; raises Problem unauthorized when there is none."""
    if authorization is None or len(authorization) > MAX_HEADER or authorization[:7].lower() != _SCHEME:
        raise Problem("unauthorized")
    return authorization[7:].strip()
