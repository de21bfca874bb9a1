"""Sends notifications: what is due first, a bounded number at a time, until the merchant accepts or the ladder ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Protocol

from .clock import Clock
from .faults import Faults, NotificationFault
from .notifications import MAX_ANSWER_LENGTH, Due, Outcome, due, next_due_at, record
from .store import Store, StoreBusyError

SENDERS: Final = 32
MAX_CLAIMED: Final = 256
TIMEOUT_SECONDS: Final = 5.0
MAX_SLEEP_SECONDS: Final = 1.0
MIN_SLEEP_SECONDS: Final = 0.005

Post = Callable[[str, str, bytes], Awaitable[tuple[int, bytes]]]
"""Posts to a URL a body of a content type; the HTTP status and the answer, or its beginning. OSError: no answer."""

log = logging.getLogger(__name__)


class Notices(Protocol):
    """How a platform notifies; the ladder is the pauses between attempts, in milliseconds."""

    ladder: tuple[int, ...]
    content_type: str

    async def compose(self, due: Due, now: int) -> bytes:
        """The body of an attempt made now."""
        ...

    def accepts(self, answer: bytes) -> bool:
        """Whether the merchant's answer ends the ladder."""
        ...


class Notifier:
    """One reader of what is due, and a fixed number of senders.

    The reader looks every `max_sleep` seconds, and whenever it is woken or something is due. Raises ValueError for a
    number of senders outside 1 to 255.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        notices: Notices,
        post: Post,
        faults: Faults,
        *,
        senders: int = SENDERS,
        max_sleep: float = MAX_SLEEP_SECONDS,
    ) -> None:
        if not 0 < senders < MAX_CLAIMED:
            raise ValueError(f"{senders} senders: give 1 to {MAX_CLAIMED - 1}")
        self.faults: Faults = faults
        self._store = store
        self._clock = clock
        self._notices = notices
        self._post = post
        self._senders = senders
        self._max_sleep = max_sleep
        self._woken = asyncio.Event()
        self._claimed: set[int] = set()
        self._queue: asyncio.Queue[Due] = asyncio.Queue(MAX_CLAIMED - senders)

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
        except TimeoutError:
            log.warning("Looking for due notifications took too long; looking again.")
            return []

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(await self._pause()):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _pause(self) -> float:
        """Real seconds until something is due; bounded, since time may be made to jump."""
        next_at = await self._store.read(next_due_at)
        if next_at is None:
            return self._max_sleep
        pause = self._clock.real_seconds(next_at - self._clock.now())
        return min(max(pause, MIN_SLEEP_SECONDS), self._max_sleep)

    async def _send_what_comes(self) -> None:
        while True:
            await self._send(await self._queue.get())

    async def _send(self, one: Due) -> None:
        try:
            if self.faults.notifications is NotificationFault.HOLD:
                return
            outcomes = await self._attempt(one)
            await self._store.write(lambda tx: record(tx, one.notification, outcomes, self._notices.ladder))
        except (StoreBusyError, TimeoutError):
            log.warning("An attempt could not be written down; it will be made again.")
        else:
            if not outcomes[-1].accepted:  # the next attempt's time was not known when the reader last looked
                self.wake()
        finally:
            self._claimed.discard(one.notification.id)

    async def _attempt(self, one: Due) -> list[Outcome]:
        match self.faults.notifications:
            case NotificationFault.LOSE:
                return [Outcome(self._clock.now(), None, "lost: the sandbox was asked to", accepted=False)]
            case NotificationFault.DUPLICATE:
                return [await self._try(one), await self._try(one)]
            case _:
                return [await self._try(one)]

    async def _try(self, one: Due) -> Outcome:
        sent_at = self._clock.now()
        body = await self._notices.compose(one, sent_at)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status, answer = await self._post(one.trade.notify_url, self._notices.content_type, body)
        except OSError as error:  # a TimeoutError is one
            reason = str(error) or type(error).__name__
            return Outcome(sent_at, None, f"no answer: {reason}"[:MAX_ANSWER_LENGTH], accepted=False)
        text = answer.decode("utf-8", "replace")[:MAX_ANSWER_LENGTH]
        return Outcome(sent_at, status, text, accepted=status == HTTPStatus.OK and self._notices.accepts(answer))
