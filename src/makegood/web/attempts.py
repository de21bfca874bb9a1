"""Failed sign-ins are counted for each user and each peer address; too many, and the next must wait."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from makegood.web.problems import Problem

MAX_TRACKED = 20_000
"""Most users and peers that are remembered; the one seen longest ago is forgotten first."""


@dataclass(slots=True)
class _Failures:
    count: int
    forget_at: int


class SignInAttempts:
    """Counts an attempt as failed from its beginning, so that attempts in parallel count too."""

    def __init__(self, now: Callable[[], int], per_user: int, per_peer: int, seconds: int) -> None:
        self._now = now
        self._limits = {"user": per_user, "peer": per_peer}
        self._memory = seconds * 1000
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def __len__(self) -> int:
        """How many users and peers are remembered."""
        return len(self._failures)

    def begin(self, user: str, peer: str) -> None:
        """Notes an attempt; raises Problem too_many_attempts when it has to wait."""
        for kind, name in (("user", user), ("peer", peer)):
            self._refuse_excess(kind, name)
        for kind, name in (("user", user), ("peer", peer)):
            self._count(kind, name)

    def succeeded(self, user: str, peer: str) -> None:
        """The password was right: the user's failures are forgotten, and this attempt was none."""
        self._failures.pop(("user", user), None)
        self._discount(("peer", peer))

    def withdrawn(self, user: str, peer: str) -> None:
        """Nobody could say whether the password was right: this attempt does not count."""
        self._discount(("user", user))
        self._discount(("peer", peer))

    def _refuse_excess(self, kind: str, name: str) -> None:
        failures = self._failures.get((kind, name))
        wait = failures.forget_at - self._now() if failures else 0
        if failures and wait <= 0:
            del self._failures[kind, name]
        elif failures and failures.count >= self._limits[kind]:
            raise Problem("too_many_attempts", retry_after=wait / 1000)

    def _count(self, kind: str, name: str) -> None:
        failures = self._failures.pop((kind, name), None) or _Failures(0, 0)
        failures.count += 1
        failures.forget_at = self._now() + self._memory
        self._failures[kind, name] = failures
        if len(self._failures) > MAX_TRACKED:
            self._failures.popitem(last=False)

    def _discount(self, key: tuple[str, str]) -> None:
        failures = self._failures.get(key)
        if failures:
            failures.count -= 1
