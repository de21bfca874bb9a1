"""/docs: the API on one page that needs nothing from elsewhere, and as OpenAPI."""

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from makegood.web.openapi import document
from makegood.web.problems import KINDS

_CACHE = {"Cache-Control": "no-cache"}


def routes(handlers: Sequence[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """GET /docs, /docs/openapi.json, /docs/style.css, about these handlers and the hot routes."""
    docs = _Docs(handlers)

    @get("/docs", include_in_schema=False)
    async def page() -> Response[bytes]:
        """The API as a page."""
        return Response(docs.page, media_type="text/html", headers=_CACHE)

    @get("/docs/openapi.json", include_in_schema=False)
    async def openapi() -> Response[bytes]:
        """The API as OpenAPI 3.1."""
        return Response(msgspec.json.encode(docs.document), media_type="application/json", headers=_CACHE)

    @get("/docs/style.css", include_in_schema=False)
    async def style() -> Response[bytes]:
        """How the page looks."""
        return Response(docs.style, media_type="text/css", headers=_CACHE)

    return [page, openapi, style]


class _Docs:
    """Made when somebody asks for it first."""

    def __init__(self, handlers: Sequence[HTTPRouteHandler]) -> None:
        self._handlers = handlers

    @cached_property
    def document(self) -> dict[str, Any]:
        return document(self._handlers, version("makegood"))

    @cached_property
    def page(self) -> bytes:
        environment = Environment(
            loader=PackageLoader("makegood.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["json"] = _indented
        return environment.get_template("docs.html").render(api=self.document, problems=KINDS).encode()

    @cached_property
    def style(self) -> bytes:
        return files("makegood.web").joinpath("templates", "docs.css").read_bytes()


def _indented(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
