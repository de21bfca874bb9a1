"""/docs: the API on one page that needs nothing from elsewhere, and as OpenAPI."""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Litestar, Response, get
from litestar.handlers import HTTPRouteHandler

from makegood.web.access import UserRequest
from makegood.web.openapi import document
from makegood.web.problems import KINDS

_CACHE = {"Cache-Control": "no-cache"}


def routes() -> list[HTTPRouteHandler]:
    """GET /docs, /docs/openapi.json, /docs/style.css."""
    return [page, openapi, style]


@get("/docs", include_in_schema=False)
async def page(request: UserRequest) -> Response[bytes]:
    """The API as a page."""
    return Response(_page(request.app), media_type="text/html; charset=utf-8", headers=_CACHE)


@get("/docs/openapi.json", include_in_schema=False)
async def openapi(request: UserRequest) -> Response[bytes]:
    """The API as OpenAPI 3.1."""
    return Response(msgspec.json.encode(_document(request.app)), media_type="application/json", headers=_CACHE)


@get("/docs/style.css", include_in_schema=False)
async def style() -> Response[bytes]:
    """How the page looks."""
    body = files("makegood.web").joinpath("templates", "docs.css").read_bytes()
    return Response(body, media_type="text/css; charset=utf-8", headers=_CACHE)


@cache
def _document(app: Litestar) -> dict[str, Any]:
    return document(app)


@cache
def _page(app: Litestar) -> bytes:
    environment = Environment(
        loader=PackageLoader("makegood.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = lambda value: msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return environment.get_template("docs.html").render(api=_document(app), problems=KINDS).encode()
