"""Webhook endpoints: where events are sent."""

from typing import Final

from makegood.sandbox.loopback import may_notify
from makegood.sandbox.store import Transaction

from . import forms, objects
from .errors import Refused, missing
from .merchant import MAX_ENDPOINTS, Endpoint, endpoints, keep_endpoints
from .objects import JsonObject
from .payments import Asked

MAX_EVENTS: Final = 100
_URL: Final = "A webhook's url must be http or https, at most 256 characters, on the loopback unless the sandbox says."


def create(tx: Transaction, asked: Asked, secret: str, *, remote: bool) -> JsonObject:
    """POST /v1/webhook_endpoints: its answer shows the secret."""
    url = forms.text(asked.fields, "url")
    if not may_notify(url, remote=remote):
        raise Refused(_URL, code="url_invalid", param="url")
    events = [each for each in forms.several(asked.fields, "enabled_events") if isinstance(each, str)]
    if not 0 < len(events) <= MAX_EVENTS or any(not 0 < len(each) <= 100 for each in events):
        raise Refused("Send enabled_events[]: kinds of events, or *.", param="enabled_events")
    known = endpoints(tx)
    if len(known) >= MAX_ENDPOINTS:
        raise Refused(f"There are {MAX_ENDPOINTS} endpoints already: delete one.")
    made = Endpoint(f"we_{tx.new_token()}", url, tuple(events), tx.now)
    keep_endpoints(tx, [*known, made])
    return objects.endpoint(made, secret)


def listed(tx: Transaction, asked: Asked) -> JsonObject:
    """GET /v1/webhook_endpoints: all of them, which are few."""
    return objects.listed(asked.path, [objects.endpoint(each) for each in reversed(endpoints(tx))], more=False)


def retrieve(tx: Transaction, asked: Asked) -> JsonObject:
    """GET /v1/webhook_endpoints/{id}."""
    return objects.endpoint(_of(tx, asked.identity))


def delete(tx: Transaction, asked: Asked) -> JsonObject:
    """DELETE /v1/webhook_endpoints/{id}."""
    gone = _of(tx, asked.identity)
    keep_endpoints(tx, [each for each in endpoints(tx) if each.id != gone.id])
    return {"id": gone.id, "object": "webhook_endpoint", "deleted": True}


def _of(tx: Transaction, identity: str) -> Endpoint:
    for each in endpoints(tx):
        if each.id == identity:
            return each
    raise missing("webhook endpoint", identity)
