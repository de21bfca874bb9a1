"""Everything that can go wrong in the simulated world, drawn from its seed.

Each kind of fault has a stream of its own, and each occasion takes one draw from it. So one fault can be left out,
and the draws of all others stay what they were: that is how a failing trace is made smaller.
"""

from collections import Counter
from collections.abc import Callable, Container, Mapping
from enum import StrEnum
from random import Random
from typing import NamedTuple

import msgspec


class Fault(StrEnum):
    """A kind of fault; its value says what happens."""

    DEATH = "a process dies, and starts again"
    POWER_CUT = "all of the shop's processes die at once"
    FREEZE = "a process stands still for a while"
    POISON = "a function fails for a request, as by a bug"
    COMMIT_LOST = "a commit fails: nothing is stored"
    COMMIT_UNANSWERED = "a commit takes effect, its answer is lost"
    COMMIT_CONFLICT = "a transaction is the victim of a deadlock, or its row is inserted by another first"
    READ_LOST = "a query fails: the connection is lost"
    DISK_FULL = "a disk is full for a while"
    CALL_SLOW = "a call or its answer takes long, and is overtaken"
    REQUEST_LOST = "a call never arrives"
    REPLY_LOST = "a call takes effect, its answer never arrives"
    CALL_TWICE = "a call arrives twice"
    PARTITION = "two machines do not reach each other for a while"
    PUBLISH_REFUSED = "the broker does not take messages"
    PUBLISH_UNANSWERED = "the broker stores messages, its answer is lost"
    STORE_FAILS = "the broker's store fails a commit, before it takes effect or after"
    DELIVERY_LATE = "a message is delivered late"
    DELIVERY_TWICE = "a message is delivered twice"
    DELIVERY_SHUFFLED = "messages are delivered out of order"
    ACKNOWLEDGEMENT_LOST = "an acknowledgement is lost"
    CLOCK_SET = "a machine's clock is set, ahead or back"
    PLATFORM_SLOW = "the payment platform takes long"
    PLATFORM_DEAF = "a call to the payment platform never arrives"
    PLATFORM_MUTE = "the payment platform does it, and its answer is lost: the connection breaks, or nothing comes"
    PLATFORM_BROKEN = "the payment platform does it, and answers 502"
    PLATFORM_TWICE = "a call to the payment platform arrives twice"
    NOTICE_LATE = "a platform's notification takes long, and is overtaken"
    NOTICE_LOST = "a platform's notification never arrives"
    NOTICE_TWICE = "a platform's notification arrives twice"
    NOTICE_FALSE = "a notification is forged, meant for another merchant, or says another amount"
    NOTICE_UNANSWERED = "a platform's notification takes effect, its answer is lost"


RATES = {
    Fault.DEATH: 0.8,
    Fault.POWER_CUT: 0.005,
    Fault.FREEZE: 0.006,
    Fault.POISON: 0.01,
    Fault.COMMIT_LOST: 0.02,
    Fault.COMMIT_UNANSWERED: 0.02,
    Fault.COMMIT_CONFLICT: 0.02,
    Fault.READ_LOST: 0.01,
    Fault.DISK_FULL: 0.002,
    Fault.CALL_SLOW: 0.05,
    Fault.REQUEST_LOST: 0.02,
    Fault.REPLY_LOST: 0.03,
    Fault.CALL_TWICE: 0.05,
    Fault.PARTITION: 0.003,
    Fault.PUBLISH_REFUSED: 0.05,
    Fault.PUBLISH_UNANSWERED: 0.05,
    Fault.STORE_FAILS: 0.02,
    Fault.DELIVERY_LATE: 0.05,
    Fault.DELIVERY_TWICE: 0.1,
    Fault.DELIVERY_SHUFFLED: 0.3,
    Fault.ACKNOWLEDGEMENT_LOST: 0.02,
    Fault.CLOCK_SET: 0.02,
    Fault.PLATFORM_SLOW: 0.05,
    Fault.PLATFORM_DEAF: 0.03,
    Fault.PLATFORM_MUTE: 0.05,
    Fault.PLATFORM_BROKEN: 0.03,
    Fault.PLATFORM_TWICE: 0.05,
    Fault.NOTICE_LATE: 0.2,
    Fault.NOTICE_LOST: 0.1,
    Fault.NOTICE_TWICE: 0.1,
    Fault.NOTICE_FALSE: 0.05,
    Fault.NOTICE_UNANSWERED: 0.1,
}
"""How likely each is at one of its occasions (a life, a commit, a call, …) in a world that has it."""
HAS = 0.6
"""How likely a world has a kind of fault at all: where not everything fails, other things get further."""
STRENGTHS = (0.2, 1.0, 3.0)
"""By how much a world's rates differ from those above."""


class Injected(NamedTuple):
    """A fault that happened: the `number`th occasion of its kind, at `at` seconds, `where` in words."""

    fault: Fault
    number: int
    at: float
    where: str

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return f"{self.fault.name.lower()}-{self.number}"


class Rates(msgspec.Struct, frozen=True):
    """How often each kind of fault happens in one world."""

    rates: dict[Fault, float]

    @classmethod
    def of(cls, seed: int, scale: float, given: Mapping[Fault, float] | None = None) -> "Rates":
        """Some kinds, in some strength, as the seed says; `scale` multiplies all but those that are `given`."""
        chance = Random(f"rates {seed}")
        strength = chance.choice(STRENGTHS) * scale
        drawn = {fault: min(0.9, rate * strength) for fault, rate in RATES.items() if chance.random() < HAS}
        return cls(drawn | dict(given or {}))


class Faults:
    """Says at each occasion whether a fault happens, and remembers those that did."""

    def __init__(self, seed: int, rates: Rates, clock: Callable[[], float], left_out: Container[str] = ()) -> None:
        self.injected: list[Injected] = []
        self.occasions: Counter[Fault] = Counter()
        self._rates = rates.rates
        self._streams = {fault: Random(f"{fault.name} {seed}") for fault in Fault}
        self._sizes: dict[Fault, Random] = {}
        self._seed = seed
        self._clock = clock
        self._left_out = left_out
        self._over = False

    def stop(self) -> None:
        """From now on nothing fails any more."""
        self._over = True

    @property
    def over(self) -> bool:
        """Whether nothing fails any more."""
        return self._over

    def has(self, fault: Fault) -> bool:
        """Whether the world has this kind at all."""
        return fault in self._rates and f"{fault.name.lower()}-0" not in self._left_out

    def happens(self, fault: Fault, where: str) -> bool:
        """Whether it happens here and now."""
        injected = self.draw(fault, where)
        if injected is not None:
            self.injected.append(injected)
        return injected is not None

    def draw(self, fault: Fault, where: str) -> Injected | None:
        """The fault, if this occasion is to have one; it counts as injected when it is recorded."""
        rate = self._rates.get(fault)
        if rate is None or self._over:
            return None
        self.occasions[fault] += 1
        if self._streams[fault].random() >= rate:
            return None
        injected = Injected(fault, self.occasions[fault], self._clock(), where)
        if injected.name in self._left_out:
            return None
        self._sizes[fault] = Random(f"size of {injected.name} {self._seed}")
        return injected

    def record(self, drawn: Injected) -> None:
        """What was drawn before happens now."""
        self.injected.append(drawn._replace(at=self._clock()))

    def size(self, fault: Fault) -> float:
        """How large the fault is that just happened, in [0, 1)."""
        return self._sizes[fault].random()
