"""Names that outsiders send: printable ASCII, bounded, and nothing hidden at their end."""

import msgspec
import pytest

from makegood.shop.payments.contracts import Channel
from makegood.shop.types import CouponId, IdempotencyKey, Sku, User


@pytest.mark.parametrize("kind", [Sku, User, CouponId, IdempotencyKey, Channel])
def test_names_hold_nothing_invisible(kind: type[str]) -> None:
    """A plain name passes; one that is empty, too long, or has a space, a newline or another script does not."""
    assert msgspec.convert("abc_1", kind) == "abc_1"
    for bad in ("", "a" * 200, "a b", "abc\n", "\nabc", "a\x00", "茶"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(bad, kind)
