"""Yuan outside, fen inside."""

from decimal import Decimal
from typing import Final

MAX_FEN: Final = 100_000_000_00


def fen(yuan: Decimal) -> int | None:
    """Decimal yuan as fen; None unless it has at most two decimals and lies in [0.01, 100000000]."""
    if not yuan.is_finite() or not Decimal("0.01") <= yuan <= MAX_FEN // 100:
        return None
    rounded = yuan.quantize(Decimal("0.01"))
    return int(rounded * 100) if rounded == yuan else None


def yuan(fen_amount: int) -> str:
    """Fen as decimal yuan with two decimals."""
    return f"{fen_amount // 100}.{fen_amount % 100:02d}"
