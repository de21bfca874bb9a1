"""The OpenAPI document: what the framework knows of its routes, the bodies they take, and the two hot routes."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, Reference, SecurityScheme
from litestar.routes import HTTPRoute

from makegood.web.access import USER
from makegood.web.bodies import BODY
from makegood.web.hot import NOTIFY, ORDERS
from makegood.web.problems import PROBLEM_JSON, ProblemDetails
from makegood.web.requests import NewOrder
from makegood.web.views import OrderView

_SCHEMAS = "#/components/schemas/"
_REF = _SCHEMAS + "{name}"
_SECURITY: dict[str, SecurityScheme | Reference] = {
    "user": SecurityScheme(type="http", scheme="bearer", description="A token of POST /api/session"),
    "operator": SecurityScheme(type="http", scheme="bearer", description="The operators' token"),
}


def document(handlers: Sequence[HTTPRouteHandler], version: str) -> dict[str, Any]:
    """The whole document."""
    # An application of its own, never served: the framework's documentation pages load scripts from elsewhere.
    app = Litestar(handlers, openapi_config=_config(version), logging_config=None)
    found: dict[str, Any] = msgspec.to_builtins(app.openapi_schema.to_schema())
    bodies = _bodies(app)
    for path, operations in _hot_routes().items():
        found["paths"].setdefault(path, {}).update(operations)
    for (path, method), kind in bodies.items():
        found["paths"][path][method]["requestBody"] = _json_body(kind)
    for operations in found["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = _problem()
    _, schemas = msgspec.json.schema_components(
        [*bodies.values(), NewOrder, OrderView, ProblemDetails], ref_template=_REF
    )
    found["components"]["schemas"] = schemas | found["components"]["schemas"]
    return found


def _config(version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="makegood",
        version=version,
        description="Orders and payments. Money in fen, times in RFC 3339 UTC, ids as strings.",
        use_handler_docstrings=True,
        components=Components(security_schemes=_SECURITY),
    )


def _bodies(app: Litestar) -> dict[tuple[str, str], type[Any]]:
    return {
        (route.path_format, method.lower()): handler.opt[BODY]
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if BODY in handler.opt
    }


def _hot_routes() -> dict[str, dict[str, Any]]:
    return {ORDERS: {"post": _place()}, NOTIFY + "{channel}": {"post": _notify()}}


def _place() -> dict[str, Any]:
    key = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[\\x21-\\x7e]+$"}
    return {
        "summary": "Place",
        "operationId": "Place",
        "description": "Places an order. A repeat of the key with the same body answers as the first did, "
        "so a lost answer can be asked for again; a refusal uses up the key.",
        "security": USER,
        "parameters": [{"name": "Idempotency-Key", "in": "header", "required": True, "schema": key}],
        "requestBody": _json_body(NewOrder),
        "responses": {
            "201": _answer("The order is confirmed", OrderView),
            "202": _answer("The order is not decided yet: look at Location", OrderView),
        },
    }


def _notify() -> dict[str, Any]:
    channel = {"name": "channel", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "summary": "Notify",
        "operationId": "Notify",
        "description": "A payment platform's callback, in the platform's own format; answered in the same.",
        "security": [],
        "parameters": [channel],
        "requestBody": {"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
        "responses": {"200": {"description": "The platform's exact success answer"}},
    }


def _json_body(kind: type[Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": {"$ref": _SCHEMAS + kind.__name__}}}}


def _answer(description: str, kind: type[Any]) -> dict[str, Any]:
    return {"description": description, **_json_content("application/json", kind)}


def _problem() -> dict[str, Any]:
    return {"description": "A problem; its `code` is stable", **_json_content(PROBLEM_JSON, ProblemDetails)}


def _json_content(media_type: str, kind: type[Any]) -> dict[str, Any]:
    return {"content": {media_type: {"schema": {"$ref": _SCHEMAS + kind.__name__}}}}
