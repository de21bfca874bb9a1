"""Sends notifications: what is due first, a bounded number at a time, until the merchant accepts or the ladder ends."""

import asyncio
import logging
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp

from .clock import Clock
from .faults import Faults, NotificationFault
from .notifications import MAX_ANSWER_LENGTH, Due, Outcome, due, next_due_at, record
from .store import Store, StoreBusyError

SENDERS: Final = 32
MAX_CLAIMED: Final = 256
TIMEOUT_SECONDS: Final = 5.0
MAX_SLEEP_SECONDS: Final = 1.0
MIN_SLEEP_SECONDS: Final = 0.005
KEEP_ALIVE_SECONDS: Final = 2.0
MAX_ANSWER_BYTES: Final = 1024

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
    """One reader of what is due, and a fixed number of senders."""

    def __init__(self, store: Store, clock: Clock, notices: Notices, faults: Faults) -> None:
        self.faults: Faults = faults
        self._store = store
        self._clock = clock
        self._notices = notices
        self._woken = asyncio.Event()
        self._claimed: set[int] = set()
        self._queue: asyncio.Queue[Due] = asyncio.Queue(MAX_CLAIMED - SENDERS)

    def wake(self) -> None:
        """Something may be due now."""
        self._woken.set()

    async def run(self) -> None:
        """Sends until cancelled; what was on its way then is sent again after a restart."""
        async with _client() as client, asyncio.TaskGroup() as tasks:
            for _ in range(SENDERS):
                tasks.create_task(self._send_what_comes(client))
            tasks.create_task(self._find_what_is_due())

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
            await asyncio.wait_for(self._woken.wait(), await self._pause())
        except TimeoutError:
            return

    async def _pause(self) -> float:
        """Real seconds until something is due; bounded, since time may be made to jump."""
        next_at = await self._store.read(next_due_at)
        if next_at is None:
            return MAX_SLEEP_SECONDS
        pause = self._clock.real_seconds(next_at - self._clock.now())
        return min(max(pause, MIN_SLEEP_SECONDS), MAX_SLEEP_SECONDS)

    async def _send_what_comes(self, client: aiohttp.ClientSession) -> None:
        while True:
            await self._send(client, await self._queue.get())

    async def _send(self, client: aiohttp.ClientSession, one: Due) -> None:
        try:
            if self.faults.notifications is NotificationFault.HOLD:
                return
            outcomes = await self._attempt(client, one)
            await self._store.write(lambda tx: record(tx, one.notification, outcomes, self._notices.ladder))
        except (StoreBusyError, TimeoutError):
            log.warning("An attempt could not be written down; it will be made again.")
        finally:
            self._claimed.discard(one.notification.id)

    async def _attempt(self, client: aiohttp.ClientSession, one: Due) -> list[Outcome]:
        match self.faults.notifications:
            case NotificationFault.LOSE:
                return [Outcome(self._clock.now(), None, "lost: the sandbox was asked to", accepted=False)]
            case NotificationFault.DUPLICATE:
                return [await self._post(client, one), await self._post(client, one)]
            case _:
                return [await self._post(client, one)]

    async def _post(self, client: aiohttp.ClientSession, one: Due) -> Outcome:
        sent_at = self._clock.now()
        body = await self._notices.compose(one, sent_at)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status, answer = await self._exchange(client, one.trade.notify_url, body)
        except (aiohttp.ClientError, ValueError, TimeoutError) as error:
            return Outcome(
                sent_at, None, f"no answer: {type(error).__name__} {error}"[:MAX_ANSWER_LENGTH], accepted=False
            )
        text = answer.decode("utf-8", "replace")[:MAX_ANSWER_LENGTH]
        return Outcome(sent_at, status, text, accepted=status == HTTPStatus.OK and self._notices.accepts(answer))

    async def _exchange(self, client: aiohttp.ClientSession, url: str, body: bytes) -> tuple[int, bytes]:
        """Posts, and reads no more of the answer than can matter."""
        headers = {"Content-Type": self._notices.content_type, "Accept-Encoding": "identity"}
        async with client.post(url, data=body, headers=headers, allow_redirects=False) as response:
            answer = b""
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    break
            return response.status, answer[:MAX_ANSWER_BYTES]


def _client() -> aiohttp.ClientSession:
    """One for all senders, who bound it; the timeout is theirs. A post costs 0.1 ms of CPU, with httpx 0.7."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=SENDERS, keepalive_timeout=KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
    )
