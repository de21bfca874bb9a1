"""Alipay's one address as a door like any other: what faults do to it."""

from http import HTTPStatus

from makegood.sandbox.calls import Call, Reply
from makegood.sandbox.faults import Kind
from makegood.sandbox.trades import ALIPAY

from .gateway import JSON_UTF8, Gateway


class AlipayDoor:
    """The gateway, with HTTP around it."""

    platform: str = ALIPAY

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def answer(self, call: Call) -> Reply:
        """The answer to a request."""
        return await self._gateway.reply(call.query.encode(), call.body)

    async def fail(self, call: Call, kind: Kind) -> Reply:
        """What is said of a request that came too often; when the platform fails, a server in front of it speaks."""
        del call
        if kind is Kind.RATE_LIMITED:
            return Reply(HTTPStatus.OK, JSON_UTF8, await self._gateway.refuse("isv.app-call-limited"))
        return Reply(HTTPStatus.BAD_GATEWAY, "text/html", b"<html><title>502 Bad Gateway</title></html>")
