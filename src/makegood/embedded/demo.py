"""What a new shop has to sell, and to whom, so that it can be tried at once."""

import msgspec

USERS = ("alice", "bob", "carol", "dave")
PASSWORD = "demo"  # noqa: S105 - the demo users' well-known password, only ever made on the loopback
BALANCE = 100_000
"""Fen each demo user has."""
UNTIL = "2099-12-31T23:59:59Z"
GOODS = (
    ("tea-longjing", "Longjing green tea, 250 g", 12_800, 5_000),
    ("tea-puer", "Aged pu'er tea cake, 357 g", 29_900, 3_000),
    ("cup-celadon", "Celadon tea cup", 4_500, 8_000),
    ("pot-yixing", "Yixing clay teapot", 58_000, 2_000),
    ("noodles-lamian", "Hand-pulled noodles, 5 portions", 2_990, 9_000),
    ("sauce-chili", "Chili crisp, 210 g", 1_250, 9_500),
    ("rice-jasmine", "Jasmine rice, 5 kg", 5_980, 4_000),
    ("umbrella-paper", "Oil-paper umbrella", 16_800, 2_500),
    ("lantern-silk", "Silk lantern, red", 7_600, 6_000),
    ("notebook-linen", "Linen notebook, A5", 2_400, 7_000),
    ("lamp-desk", "Walnut desk lamp", 34_900, 2_000),
    ("bike-city", "City bicycle, 8 gears", 219_900, 2_000),
)


def demo_document() -> bytes:
    """A load file's content: goods without limits, users with balance, coupons that do not expire soon."""
    document = {
        "goods": [{"sku": sku, "title": title, "price": price, "stock": stock} for sku, title, price, stock in GOODS],
        "users": [{"user": user, "password": PASSWORD, "balance": BALANCE} for user in USERS],
        "coupons": [
            {
                "coupon_id": f"{user}-{value // 100}off",
                "user": user,
                "value": value,
                "minimum": minimum,
                "valid_until": UNTIL,
            }
            for user in USERS
            for value, minimum in ((500, 3_000), (2_000, 10_000), (5_000, 30_000))
        ],
    }
    return msgspec.json.encode(document)
