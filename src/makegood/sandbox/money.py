"""Amounts as people write them."""

from .trades import Trade


def money(trade: Trade, amount: int) -> str:
    """An amount of a trade, in hundredths of its currency."""
    sign = "¥" if trade.currency == "cny" else f"{trade.currency.upper()} "
    return f"{sign}{amount // 100:,}.{amount % 100:02d}"
