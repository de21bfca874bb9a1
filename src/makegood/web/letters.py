"""Dead letters over HTTP: what consumers could not handle, and its replay."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, Literal, TypeVar

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from makegood.engine.dead_letters import TASK, DeadLetter, Looked
from makegood.times import rfc3339
from makegood.web.access import OPERATOR, Access, UserRequest
from makegood.web.bodies import read, takes
from makegood.web.catalogue import After, Limit
from makegood.web.links import fields_of, id_in, orders_of
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.waiting import in_time

TIMEOUT = 10.0
"""Seconds to wait for the services."""
MAX_REPLAYED = 100
"""Most dead letters of one request."""
LetterId = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024, description="The `id` of a dead letter")]
OfService = Annotated[str | None, QueryParameter(max_length=64, description="Only those of this service")]
OfGroup = Annotated[str | None, QueryParameter(max_length=128, description="Only those of this consumer group")]
T = TypeVar("T")


class LetterIds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters: at most 100."""

    ids: Annotated[tuple[LetterId, ...], msgspec.Meta(min_length=1, max_length=MAX_REPLAYED)]


class DeadLetterView(msgspec.Struct, frozen=True):
    """An event or a task that failed; `next_at` is null when it is tried no more, `body` is JSON text.

    `order_id` is the order it is about, null when that is not known.
    """

    id: str
    kind: Literal["event", "task"]
    service: str
    group: str
    topic: str
    tag: str
    key: str
    order_id: str | None
    tries: int
    first_at: str
    last_at: str
    next_at: str | None
    error: str
    body: str

    @classmethod
    def of(cls, letter: DeadLetter, order_id: int | None = None) -> "DeadLetterView":
        """The letter as operators see it."""
        return cls(
            id=letter.id,
            kind="task" if letter.tag == TASK else "event",
            service=letter.service,
            group=letter.group,
            topic=letter.topic,
            tag=letter.tag,
            key=letter.key,
            order_id=None if order_id is None else str(order_id),
            tries=letter.tries,
            first_at=rfc3339(letter.first_at),
            last_at=rfc3339(letter.last_at),
            next_at=None if letter.next_at is None else rfc3339(letter.next_at),
            error=letter.error,
            body=letter.body,
        )


class DeadLetterList(msgspec.Struct, frozen=True):
    """Dead letters; `next` is the `after` of the next page, null at the end."""

    dead_letters: list[DeadLetterView]
    next: str | None


class Replayed(msgspec.Struct, frozen=True):
    """The dead letter that is tried again."""

    id: str


class ReplayOutcome(msgspec.Struct, frozen=True):
    """`replayed`: it is tried again now; `gone`: it is not there (any more)."""

    id: str
    outcome: Literal["replayed", "gone"]


class ReplayOutcomes(msgspec.Struct, frozen=True):
    """An outcome for each dead letter, in the order of the request."""

    outcomes: list[ReplayOutcome]


class LetterOutcome(msgspec.Struct, frozen=True):
    """What has become of a dead letter.

    `waiting`: it is to be tried, from its first try; `failed`: it was tried and has failed, as the letter says;
    `gone`: it is not there, which behind a replay means that it took effect.
    """

    id: str
    outcome: Literal["waiting", "failed", "gone"]
    dead_letter: DeadLetterView | None = None

    @classmethod
    def of(cls, id: str, looked: Looked) -> "LetterOutcome":
        """The outcome as operators see it."""
        return cls(id, looked.outcome, None if looked.letter is None else DeadLetterView.of(looked.letter))


class LetterOutcomes(msgspec.Struct, frozen=True):
    """What has become of each dead letter, in the order of the request."""

    outcomes: list[LetterOutcome]


def routes(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    """The list of dead letters, the replay of one and of many, and what became of them."""
    return [_list(shop, access), _one(shop, access), *_many(shop, access)]


def _list(shop: Shop, access: Access) -> HTTPRouteHandler:
    @get("/api/ops/dead-letters", guards=[access.operator], security=OPERATOR)
    async def dead_letters(
        after: After = None, limit: Limit = 100, service: OfService = None, group: OfGroup = None
    ) -> DeadLetterList:
        """Events that consumers could not handle, and tasks that were given up; all, or a service's or group's."""
        try:
            page = await in_time(shop.dead_letters(after, limit, service, group), TIMEOUT)
        except ValueError as error:
            raise Problem("malformed", "`after` is the `next` of the page before") from error
        return DeadLetterList(await _views(shop, page.letters), page.next)

    return dead_letters


def _one(shop: Shop, access: Access) -> HTTPRouteHandler:
    @post(
        "/api/ops/dead-letters/{letter_id:str}/replay",
        status_code=202,
        guards=[access.operator],
        security=OPERATOR,
    )
    async def replay(letter_id: FromPath[str]) -> Replayed:
        """Has one tried again, from its first try."""
        try:
            [there] = await in_time(shop.replay_dead_letters([letter_id]), TIMEOUT)
        except ValueError as error:
            raise Problem("not_found") from error
        if not there:
            raise Problem("not_found")
        return Replayed(letter_id)

    return replay


def _many(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    of_ids = partial(post, guards=[access.operator], security=OPERATOR, opt=takes(LetterIds))

    @of_ids("/api/ops/dead-letters/replay", status_code=202)
    async def replay_many(request: UserRequest) -> ReplayOutcomes:
        """Has up to 100 tried again, each from its first try. What became of them is another question."""
        answers = await _asked(request, shop.replay_dead_letters)
        return ReplayOutcomes([ReplayOutcome(id, "replayed" if there else "gone") for id, there in answers])

    @of_ids("/api/ops/dead-letters/outcomes", status_code=200)
    async def outcomes(request: UserRequest) -> LetterOutcomes:
        """What has become of up to 100; nothing is changed."""
        answers = await _asked(request, shop.look_at_dead_letters)
        return LetterOutcomes([LetterOutcome.of(id, looked) for id, looked in answers])

    return [replay_many, outcomes]


async def _asked(request: UserRequest, ask: Callable[[Sequence[str]], Awaitable[list[T]]]) -> Iterator[tuple[str, T]]:
    """Each id of the request with the shop's answer. Raises Problem malformed when one is no id."""
    ids = (await read(request, LetterIds)).ids
    try:
        answers = await in_time(ask(ids), TIMEOUT)
    except ValueError as error:
        raise Problem("malformed", str(error)) from error
    return zip(ids, answers, strict=True)


async def _views(shop: Shop, letters: Sequence[DeadLetter]) -> list[DeadLetterView]:
    fields = [fields_of(letter.body) for letter in letters]
    found = await orders_of(shop, [id for one in fields if (id := id_in(one, "payment_id"))])
    return [
        DeadLetterView.of(letter, id_in(one, "order_id") or found.get(id_in(one, "payment_id") or 0))
        for letter, one in zip(letters, fields, strict=True)
    ]
