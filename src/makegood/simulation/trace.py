"""What happened in a world, in order: its digest shows that one seed has one trace, its text tells the story."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple


class Noted(NamedTuple):
    """At `at` seconds `who` did `what`."""

    at: float
    who: str
    what: str
    detail: str


class Trace:
    """Notes what happens; keeps the text only if asked to, for its digest is enough to compare two runs."""

    def __init__(self, clock: Callable[[], float], *, keep: bool) -> None:
        self.kept: list[Noted] = []
        self.length = 0
        self.keeps = keep
        """Whether details are worth their cost."""
        self._clock = clock
        self._digest = hashlib.blake2b(digest_size=16)

    def note(self, who: str, what: str, detail: str) -> None:
        """Somebody did something, now."""
        self.length += 1
        at = self._clock()
        self._digest.update(f"{at!r} {who} {what} {detail}\n".encode())
        if self.keeps:
            self.kept.append(Noted(at, who, what, detail))

    def tell(self, who: str, what: str, detail: Callable[[], object]) -> None:
        """Notes it with a detail that is only worked out for the text."""
        if self.keeps:
            self.kept.append(Noted(self._clock(), who, what, str(detail())))

    def add(self, content: bytes) -> None:
        """Lets the digest depend on this too."""
        self._digest.update(content)

    @property
    def digest(self) -> str:
        """Equal for equal traces."""
        return self._digest.hexdigest()
