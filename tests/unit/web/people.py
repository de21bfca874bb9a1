"""Who is in the tests' shop, and what they do over HTTP."""

from typing import Any

import httpx

from makegood.shop.coupons.contracts import Coupon
from makegood.shop.stock.contracts import Good
from tests.unit.web.peer import PeerShop

KEY = b"k" * 32
OPERATORS_TOKEN = "operators-token-of-the-tests"
PRICE = 1_000
SHIPPING = 600


def fill(shop: PeerShop) -> None:
    """Tea, alice with a coupon and balance, bob with nothing."""
    shop.goods["tea"] = Good("tea", "Green tea", PRICE, 10, None)
    shop.goods["cup/blue"] = Good("cup/blue", "A blue cup", 2_000, 3, 2)
    shop.balances |= {"alice": 5_000, "bob": 0}
    shop.passwords |= {"alice": "demo", "bob": "demo"}
    shop.coupons["c1"] = Coupon("c1", "alice", 300, 0, shop.now() + 86_400_000)


def order_body(quantity: int = 1, **changed: Any) -> dict[str, Any]:
    """The body of an order of tea whose sums are right, but for what is changed."""
    due = PRICE * quantity + SHIPPING
    lines = [{"sku": "tea", "quantity": quantity, "unit_price": PRICE}]
    return {"lines": lines, "balance": 0, "shipping_fee": SHIPPING, "amount_due": due} | changed


class Buyer:
    """A user with a token."""

    def __init__(self, http: httpx.AsyncClient, user: str, token: str) -> None:
        self.http = http
        self.user = user
        self.token = token
        self.headers = {"Authorization": f"Bearer {token}"}
        self._keys = 0

    @classmethod
    async def signed_in(cls, http: httpx.AsyncClient, user: str) -> "Buyer":
        """Signs in with the password everybody has."""
        answer = await http.post("/api/session", json={"user": user, "password": "demo"})
        assert answer.status_code == 200, answer.text
        return cls(http, user, answer.json()["token"])

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """GET as this user."""
        return await self.http.get(path, headers=self.headers, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """POST as this user."""
        return await self.http.post(path, headers=self.headers, **options)

    async def place(self, body: Any, key: str = "") -> httpx.Response:
        """Places an order, under a new key if none is given."""
        self._keys += 1
        headers = {**self.headers, "Idempotency-Key": key or f"key-{self._keys}"}
        return await self.http.post("/api/orders", json=body, headers=headers)

    async def order(self, **changed: Any) -> dict[str, Any]:
        """Places an order that is confirmed."""
        answer = await self.place(order_body(**changed))
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def pay(self, order: dict[str, Any]) -> dict[str, Any]:
        """Opens a payment, and has the platform call back."""
        opened = await self.post("/api/payments", json={"order_id": order["order_id"], "channel": "alipay"})
        assert opened.status_code == 201, opened.text
        notice = {"payment_id": int(opened.json()["payment_id"]), "amount": order["amount_due"]}
        answer = await self.http.post("/api/payments/notify/alipay", json=notice)
        assert answer.content == b"success", answer.text
        return opened.json()
