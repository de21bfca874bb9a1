"""The storefront and the operators' console: files of one folder, held in memory, so no path can leave it."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from makegood.web.access import UserRequest
from makegood.web.problems import Problem

MAX_FILES = 200
MAX_BYTES = 16 * 1024 * 1024
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""What browsers are told of a file; the framework adds the character set of text, and the system has no say."""
CACHE = "no-cache"
"""Browsers keep a copy, and ask each time whether it is still the same."""


class PagesTooLarge(Exception):
    """The folder of pages holds more than 200 files or 16 MiB: take out what does not belong there."""


class Page(NamedTuple):
    """A file as it is served."""

    body: bytes
    media_type: str
    etag: str


def read_pages(folder: Path) -> dict[str, Page]:
    """The folder's files by their names below it; none when there is no such folder. Raises PagesTooLarge."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    if len(files) > MAX_FILES or sum(file.stat().st_size for file in files) > MAX_BYTES:
        raise PagesTooLarge(PagesTooLarge.__doc__)
    return {file.relative_to(folder).as_posix(): _page(file) for file in files}


def routes(folder: Path) -> list[HTTPRouteHandler]:
    """GET / and /ops, and the files they need below /static/."""
    pages = read_pages(folder)

    @get("/", include_in_schema=False)
    async def storefront(request: UserRequest) -> Response[bytes]:
        """The storefront."""
        return _answer(pages, "index.html", request)

    @get("/ops", include_in_schema=False)
    async def console(request: UserRequest) -> Response[bytes]:
        """The operators' console."""
        return _answer(pages, "ops.html", request)

    @get("/static/{name:path}", include_in_schema=False)
    async def static(request: UserRequest, name: FromPath[str]) -> Response[bytes]:
        """A file that a page needs."""
        return _answer(pages, name.lstrip("/"), request)

    return [storefront, console, static]


def _answer(pages: dict[str, Page], name: str, request: UserRequest) -> Response[bytes]:
    page = pages.get(name)
    if page is None:
        raise Problem("not_found")
    headers = {"ETag": page.etag, "Cache-Control": CACHE}
    if request.headers.get("if-none-match") == page.etag:
        return Response(b"", status_code=304, headers=headers, media_type=page.media_type)
    return Response(page.body, headers=headers, media_type=page.media_type)


def _page(file: Path) -> Page:
    body = file.read_bytes()
    kind = TYPES.get(file.suffix, "application/octet-stream")
    return Page(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
