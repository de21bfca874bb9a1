"""Sends notifications: what is due first, a bounded number at a time, until the merchant accepts or the ladder ends."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from .clock import Clock
from .faults import Faults, Kind, NotificationFault, Trouble
from .letters import Moments, Post, Voice
from .notifications import MAX_ANSWER_LENGTH, Due, Outcome, due, next_due_at, put_off, record
from .store import Store, StoreBusyError

SENDERS: Final = 32
MAX_CLAIMED: Final = 256
MAX_SLEEP_SECONDS: Final = 1.0
MIN_SLEEP_SECONDS: Final = 0.005
RETRY_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class Notifier:
    """One reader of what is due, and a fixed number of senders.

    `voices` says how each platform speaks. The reader looks every `max_sleep` seconds, and whenever it is woken or
    something is due. Raises ValueError for a number of senders outside 1 to 255.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        voices: Mapping[str, Voice],
        post: Post,
        trouble: Trouble,
        *,
        senders: int = SENDERS,
        max_sleep: float = MAX_SLEEP_SECONDS,
    ) -> None:
        if not 0 < senders < MAX_CLAIMED:
            raise ValueError(f"{senders} senders: give 1 to {MAX_CLAIMED - 1}")
        self._trouble = trouble
        self._store = store
        self._clock = clock
        self._voices = voices
        self._post = post
        self._senders = senders
        self._max_sleep = max_sleep
        self._woken = asyncio.Event()
        self._claimed: set[int] = set()
        self._queue: asyncio.Queue[Due] = asyncio.Queue(MAX_CLAIMED - senders)

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._trouble.faults

    def wake(self) -> None:
        """Something may be due now."""
        self._woken.set()

    async def run(self) -> None:
        """Sends until cancelled; what was on its way then is sent again after a restart."""
        tasks = [asyncio.create_task(self._send_what_comes()) for _ in range(self._senders)]
        tasks.append(asyncio.create_task(self._find_what_is_due()))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _find_what_is_due(self) -> None:
        while True:
            self._woken.clear()
            found = await self._due()
            for one in found:
                self._claimed.add(one.notification.id)
                await self._queue.put(one)
            if not found:
                await self._sleep()

    async def _due(self) -> list[Due]:
        if self.faults.notifications is NotificationFault.HOLD:
            return []
        # Taken before the look: one that a sender finishes during it may look due though it is not.
        claimed = frozenset(self._claimed)
        try:
            return await self._store.read(lambda tx: due(tx, claimed, MAX_CLAIMED))
        except (StoreBusyError, TimeoutError) as error:
            log.warning("Due notifications cannot be looked for (%r); looking again in a second.", error)
            await asyncio.sleep(RETRY_SECONDS)
            return []

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(await self._pause()):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _pause(self) -> float:
        """Real seconds until something is due; bounded, since time may be made to jump."""
        try:
            next_at = await self._store.read(next_due_at)
        except (StoreBusyError, TimeoutError):
            return RETRY_SECONDS
        if next_at is None:
            return self._max_sleep
        pause = self._clock.real_seconds(next_at - self._clock.now())
        return min(max(pause, MIN_SLEEP_SECONDS), self._max_sleep)

    async def _send_what_comes(self) -> None:
        while True:
            await self._send(await self._queue.get())

    async def _send(self, one: Due) -> None:
        try:
            if self.faults.notifications is NotificationFault.HOLD or await self._puts_off(one):
                return
            outcomes = await self._attempt(one)
            ladder = self._voices[one.trade.platform].ladder
            await self._store.write(lambda tx: record(tx, one.notification, outcomes, ladder))
        except (StoreBusyError, TimeoutError) as error:
            log.warning("An attempt could not be written down (%r); it will be made again.", error)
            await asyncio.sleep(RETRY_SECONDS)
            self.wake()
        else:
            if not outcomes[-1].accepted:  # the next attempt's time was not known when the reader last looked
                self.wake()
        finally:
            self._claimed.discard(one.notification.id)

    async def _attempt(self, one: Due) -> list[Outcome]:
        match self.faults.notifications:
            case NotificationFault.LOSE:
                return [self._lost()]
            case NotificationFault.DUPLICATE:
                return [await self._try(one), await self._try(one)]
            case _:
                return await self._troubled(one) if self.faults.rules else [await self._try(one)]

    async def _puts_off(self, one: Due) -> bool:
        """Whether it is to wait a little longer, as each attempt may once."""
        if not self.faults.rules or one.notification.put_off > one.notification.attempts:
            return False
        for kind in (Kind.DELAY, Kind.REORDER):
            if rule := self._trouble.happens(kind, one.trade.platform, self._subject(one)):
                pause = int(1000 * self._trouble.seconds(rule, self._subject(one)))
                await self._store.write(lambda tx, pause=pause: put_off(tx, one.notification, pause))
                self.wake()
                return True
        return False

    async def _troubled(self, one: Due) -> list[Outcome]:
        """False letters first, then the true one, which may be lost or come twice."""
        told = [await self._try(one, kind) for kind in _FALSE if self._twists(kind, one)]
        if self._happens(Kind.LOSE, one):
            return [*told, self._lost()]
        twist = Kind.KEY_ROTATION if self._twists(Kind.KEY_ROTATION, one) else ""
        told.append(await self._try(one, twist))
        if self._happens(Kind.DUPLICATE, one):
            told.append(await self._try(one, twist))
        return told

    def _happens(self, kind: Kind, one: Due) -> bool:
        return self._trouble.happens(kind, one.trade.platform, self._subject(one)) is not None

    def _twists(self, kind: Kind, one: Due) -> bool:
        return kind in self._voices[one.trade.platform].twists and self._happens(kind, one)

    def _subject(self, one: Due) -> str:
        """An attempt, by what every run calls it alike."""
        what = one.event.kind if one.event else one.notification.request_no or "payment"
        where = f" after {one.earlier}" if one.earlier else ""
        return f"notification of {self._trouble.name_of(one.trade)} {what}{where} {one.notification.attempts + 1}"

    def _lost(self) -> Outcome:
        return Outcome(self._clock.now(), None, "lost: the sandbox was asked to", accepted=False)

    async def _try(self, one: Due, twist: str = "") -> Outcome:
        voice = self._voices[one.trade.platform]
        moments = Moments(self._clock.now(), self._clock.world_now())
        try:
            letter = await voice.write(one, moments, twist)
        except Exception as error:
            log.error("A notification could not be written.", exc_info=error)
            said = f"not written: {error!r}"[:MAX_ANSWER_LENGTH]
            return Outcome(moments.now, None, said, accepted=False, twist=twist)
        try:
            async with asyncio.timeout(voice.timeout):
                status, answer = await self._post(letter.url, letter.headers, letter.body)
        except OSError as error:  # a TimeoutError is one
            reason = str(error) or type(error).__name__
            said = f"no answer: {reason}"[:MAX_ANSWER_LENGTH]
            return Outcome(moments.now, None, said, accepted=False, twist=twist, stamp=moments.stamp)
        text = answer.decode("utf-8", "replace")[:MAX_ANSWER_LENGTH]
        accepted = voice.accepts(status, answer)
        return Outcome(moments.now, status, text, accepted, twist, moments.stamp)


_FALSE: Final = (Kind.SIGNTEST, Kind.UNKNOWN_SERIAL, Kind.STALE, Kind.TAMPER, Kind.WRONG_AMOUNT)
