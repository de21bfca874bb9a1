"""Signing in, and what a user has."""

import asyncio

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.points import contracts as points
from makegood.times import rfc3339
from makegood.web.access import USER, Access, UserRequest
from makegood.web.attempts import SignInAttempts
from makegood.web.bodies import read, takes
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.requests import Credentials
from makegood.web.tokens import Tokens
from makegood.web.views import CouponView, Me, SessionView

TIMEOUT = 5.0
"""Seconds to wait for the services."""


def routes(shop: Shop, access: Access, tokens: Tokens, attempts: SignInAttempts) -> list[HTTPRouteHandler]:
    """POST /api/session and GET /api/me."""

    @post("/api/session", status_code=200, opt=takes(Credentials), security=[])
    async def sign_in(request: UserRequest) -> SessionView:
        """Gives a bearer token for a user and password. Failed attempts are counted, and limited."""
        given = await read(request, Credentials)
        peer = request.client.host if request.client else ""
        if not await _accepted(shop, attempts, given, peer):
            raise Problem("bad_credentials")
        return session_view(tokens, given.user)

    @get("/api/me", guards=[access.user], security=USER)
    async def me(request: UserRequest) -> Me:
        """Balance, points and usable coupons of the user."""
        return await _me(shop, request.user)

    return [sign_in, me]


def session_view(tokens: Tokens, user: str) -> SessionView:
    """A new session of this user."""
    session = tokens.issue(user)
    return SessionView(session.token, rfc3339(session.expires_at))


async def _accepted(shop: Shop, attempts: SignInAttempts, given: Credentials, peer: str) -> bool:
    attempts.begin(given.user, peer)
    try:
        answer = await shop.call(accounts.SIGN_IN, accounts.SignIn(given.user, given.password), Deadline.after(TIMEOUT))
    except EngineError:
        attempts.withdrawn(given.user, peer)
        raise
    if answer.accepted:
        attempts.succeeded(given.user, peer)
    return answer.accepted


async def _me(shop: Shop, user: str) -> Me:
    deadline = Deadline.after(TIMEOUT)
    account, held, earned = await asyncio.gather(
        shop.call(accounts.FIND, accounts.FindAccount(user), deadline),
        shop.call(coupons.OF_USER, coupons.CouponsOfUser(user), deadline),
        shop.call(points.OF_USER, points.PointsOfUser(user), deadline),
    )
    if not account.exists:
        raise Problem("unauthorized", "The token's user is not known here")
    return Me(user, account.balance, earned.points, [CouponView.of(coupon) for coupon in held.coupons])
