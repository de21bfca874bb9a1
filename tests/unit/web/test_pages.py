"""Pages, documentation, health and figures."""

import json
import re
from pathlib import Path

import httpx
import pytest

from makegood.web.app import WebApp, build_app
from makegood.web.pages import MAX_FILES, PagesTooLarge, read_pages
from makegood.web.problems import KINDS
from makegood.web.settings import WebSettings
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import KEY, OPERATORS_TOKEN, Buyer

CALLS = {
    ("/api/session", "post"),
    ("/api/goods", "get"),
    ("/api/goods/{sku}", "get"),
    ("/api/me", "get"),
    ("/api/quotes", "post"),
    ("/api/orders", "post"),
    ("/api/orders", "get"),
    ("/api/orders/{order_id}", "get"),
    ("/api/orders/{order_id}/cancel", "post"),
    ("/api/orders/{order_id}/refund", "post"),
    ("/api/orders/{order_id}/receive", "post"),
    ("/api/orders/{order_id}/events", "get"),
    ("/api/payments", "post"),
    ("/api/payments/notify/{channel}", "post"),
    ("/api/ops/orders/{order_id}/timeline", "get"),
    ("/api/ops/orders/{order_id}/ship", "post"),
    ("/api/ops/payments/{payment_id}/refund", "post"),
    ("/api/ops/sessions", "post"),
    ("/api/ops/load", "post"),
    ("/api/ops/dead-letters", "get"),
    ("/api/ops/dead-letters/{letter_id}/replay", "post"),
    ("/api/ops/dead-letters/replay", "post"),
    ("/api/ops/dead-letters/outcomes", "post"),
    ("/api/ops/figures", "get"),
    ("/api/ops/audit", "get"),
    ("/api/ops/services", "get"),
    ("/api/ops/breaks", "get"),
    ("/api/ops/differences", "get"),
    ("/api/ops/reconciliations", "get"),
    ("/api/ops/reconciliations", "post"),
    ("/api/ops/reconciliations/{channel}/{date}", "get"),
    ("/api/ops/refused-notices", "get"),
    ("/api/qr.svg", "get"),
    ("/healthz", "get"),
    ("/readyz", "get"),
    ("/metrics", "get"),
}


@pytest.fixture
def with_pages(shop: PeerShop, tmp_path: Path) -> WebApp:
    """The application with a storefront of three files."""
    (tmp_path / "index.html").write_text("<!doctype html>shop")
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "shop.js").write_text("export {}")
    (tmp_path / ".secret").write_text("hidden")
    return build_app(shop, WebSettings(signing_key=KEY, operators_token=OPERATORS_TOKEN, pages=tmp_path))


async def test_openapi(http: httpx.AsyncClient) -> None:
    """The OpenAPI names every call, the hot ones included, and every reference in it leads somewhere."""
    document = (await http.get("/docs/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {(path, method) for path, calls in document["paths"].items() for method in calls} == CALLS
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    place = document["paths"]["/api/orders"]["post"]
    assert place["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/NewOrder")
    assert place["parameters"][0]["name"] == "Idempotency-Key"
    assert document["components"]["schemas"]["NewOrder"]["additionalProperties"] is False
    load = document["paths"]["/api/ops/load"]["post"]
    assert load["security"] == [{"operator": []}]
    assert load["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/LoadDocument")


async def test_docs_need_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    """The page shows every call and problem, and loads nothing but its own style sheet."""
    answer = await http.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for path, _ in CALLS:
        assert f"<code>{path}</code>" in answer.text
    for code in KINDS:
        assert f'id="{code}"' in answer.text
    assert re.findall(r'(?:src|href)="(?!#)([^"]+)"', answer.text) == ["/docs/style.css", "/docs/openapi.json"]
    assert "<script" not in answer.text
    style = await http.get("/docs/style.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "http" not in style.text


async def test_security_headers(http: httpx.AsyncClient, alice: Buyer) -> None:
    """Every answer, of either kind of route, keeps browsers from sniffing, framing and loading from elsewhere."""
    placed = await alice.place({})
    for answer in (placed, await http.get("/docs"), await http.get("/nothing"), await alice.get("/api/me")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
    assert placed.headers["cache-control"] == "no-store"
    assert (await alice.get("/api/me")).headers["cache-control"] == "no-store"


async def test_pages(with_pages: WebApp) -> None:
    """The storefront's files are served, revalidated by ETag, and nothing else of the disk is."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_pages), base_url="http://shop") as http:
        page = await http.get("/")
        assert (page.text, page.headers["content-type"]) == ("<!doctype html>shop", "text/html; charset=utf-8")
        script = await http.get("/static/js/shop.js")
        assert (script.text, script.headers["cache-control"]) == ("export {}", "no-cache")
        again = await http.get("/static/js/shop.js", headers={"If-None-Match": script.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = await http.head("/")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "19")
        for path in ("/ops", "/static/.secret", "/static/x", "/static/%2e%2e/x", "/static//etc/passwd", "/static/js"):
            assert (await http.get(path)).status_code == 404, path


async def test_no_pages(shop: PeerShop, tmp_path: Path) -> None:
    """Without a folder of pages the API works, and the pages are 404."""
    settings = WebSettings(signing_key=KEY, operators_token=OPERATORS_TOKEN, pages=tmp_path / "none")
    transport = httpx.ASGITransport(build_app(shop, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
        assert (await http.get("/")).status_code == 404
        assert (await http.get("/healthz")).text == "ok"


def test_pages_are_bounded(tmp_path: Path) -> None:
    """A folder that cannot be a storefront is refused."""
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(PagesTooLarge):
        read_pages(tmp_path)


async def test_ready(http: httpx.AsyncClient, shop: PeerShop) -> None:
    """Ready is 200, or 503 that says why not; alive is another question."""
    assert (await http.get("/readyz")).text == "ready"
    shop.trouble = "the shop is starting"
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "the shop is starting" in answer.json()["detail"]
    assert (await http.get("/healthz")).status_code == 200


async def test_metrics(http: httpx.AsyncClient, alice: Buyer) -> None:
    """Requests are counted by route and status, however many addresses there are; services report theirs."""
    await alice.order()
    for number in range(3):
        await alice.get(f"/api/orders/{number}")
        await http.get(f"/nothing/{number}")
    await http.post("/api/payments/notify/alipay")
    figures = await http.get("/metrics")
    assert figures.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = figures.text
    for line in (
        'makegood_http_request_seconds_count{route="/api/orders",status="201"} 1.0',
        'makegood_http_request_seconds_count{route="/api/orders/{order_id}",status="404"} 3.0',
        'makegood_http_request_seconds_count{route="/api/payments/notify/{channel}",status="200"} 1.0',
        'makegood_http_request_seconds_count{route="other",status="404"} 3.0',
        'makegood_service_requests_total{service="orders"} 20.0',
        'makegood_service_lag{service="orders"} 5.0',
    ):
        assert line in text
