"""QR codes for what a phone has to scan, such as a payment's address."""

from io import BytesIO
from typing import Annotated

import segno
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

MAX_TEXT = 512
"""Longest text, in characters; a code of that much is still read by phones."""
Text = Annotated[str, QueryParameter(min_length=1, max_length=MAX_TEXT, description="What the code says")]


@get("/api/qr.svg", media_type="image/svg+xml")
async def qr_code(text: Text) -> Response[bytes]:
    """The text as a QR code in SVG."""
    image = BytesIO()
    segno.make_qr(text, error="m").save(image, kind="svg", scale=4, border=4, xmldecl=False)
    return Response(image.getvalue(), media_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"})


def routes() -> list[HTTPRouteHandler]:
    """GET /api/qr.svg."""
    return [qr_code]
