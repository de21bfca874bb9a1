"""Which of a platform's products a merchant has signed for; each of them is a channel of its own."""

from collections.abc import Sequence


def checked(setting: str, known: Sequence[str], name: str) -> tuple[str, ...]:
    """The products that a setting names, divided by spaces. Raises ValueError for none, and for an unknown one."""
    wanted = tuple(dict.fromkeys(setting.split()))
    if not wanted or any(one not in known for one in wanted):
        raise ValueError(f"{name} products {setting!r}: give one or more of {', '.join(known)}, divided by spaces")
    return wanted
