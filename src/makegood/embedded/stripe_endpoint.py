"""Where Stripe calls back is set in its dashboard; the sandbox has none, so the embedded shop says it by the API."""

from urllib.parse import quote, urlsplit

import httpx
import msgspec

from makegood.embedded.sandbox import SandboxFailed
from makegood.shop.payments.gateways.stripe import StripeSettings

TIMEOUT = 10.0
"""Seconds for one request."""
_PATH = "/v1/webhook_endpoints"


class _Endpoint(msgspec.Struct, frozen=True):
    id: str
    url: str


class _Endpoints(msgspec.Struct, frozen=True):
    data: tuple[_Endpoint, ...]


async def register(stripe: StripeSettings, notify_url: str, http: httpx.AsyncClient) -> None:
    """Has the sandbox call back there, and no longer where this shop was before. Raises SandboxFailed."""
    key = {"authorization": f"Bearer {stripe.api_key}"}
    address = stripe.gateway + _PATH
    try:
        known = (await http.get(f"{address}?limit=100", headers=key, timeout=TIMEOUT)).raise_for_status()
        endpoints = msgspec.json.decode(known.content, type=_Endpoints).data
        for one in endpoints:
            if one.url != notify_url and urlsplit(one.url).path == urlsplit(notify_url).path:
                await http.delete(f"{address}/{quote(one.id, safe='')}", headers=key, timeout=TIMEOUT)
        if all(one.url != notify_url for one in endpoints):
            form = {"url": notify_url, "enabled_events[]": "*"}
            (await http.post(address, data=form, headers=key, timeout=TIMEOUT)).raise_for_status()
    except (httpx.HTTPError, msgspec.MsgspecError) as error:
        raise SandboxFailed(f"the sandbox does not take where Stripe calls back: {error!r}") from error
