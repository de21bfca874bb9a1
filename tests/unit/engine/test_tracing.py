"""Spans of the engine: calls, batches, messages and tasks of two small services."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence

from makegood.engine import tracing
from makegood.engine.broker.port import Message
from makegood.engine.deadline import Deadline
from tests.support.faulty import Fault
from tests.support.virtual_time import VirtualWorld, virtual
from tests.unit.engine.tills import TAKE, Shop, Take


def root(number: int) -> str:
    """The traceparent of somebody's request."""
    return f"00-{number:032x}-{number:016x}-01"


class Noted:
    """A span, kept."""

    def __init__(self, name: str, parent: str, number: int, links: Sequence[str]) -> None:
        self.name, self.parent, self.links = name, parent, links
        self.context = f"{parent[:36]}{number:016x}-01"
        self.notes: dict[str, tracing.Value] = {}
        self.failure = ""
        self.ends = 0

    def note(self, name: str, value: tracing.Value) -> None:
        """Keeps it."""
        self.notes[name] = value

    def rename(self, name: str) -> None:
        """Keeps it."""
        self.name = name

    def fail(self, why: str) -> None:
        """Keeps it."""
        self.failure = why

    def end(self) -> None:
        """Counts it."""
        self.ends += 1


class Notes:
    """Implements `Tracer`: keeps every span, in the order of their beginnings."""

    def __init__(self) -> None:
        self.spans: list[Noted] = []
        self._numbers = itertools.count(0xABC)

    def samples(self) -> bool:
        """All."""
        return True

    def begin(
        self,
        name: str,
        kind: tracing.Kind,
        parent: str,
        *,
        links: Sequence[tracing.Link] = (),
        attributes: Mapping[str, tracing.Value] | None = None,
    ) -> tracing.Span:
        """A span that is kept."""
        span = Noted(name, parent, next(self._numbers), links)
        span.notes |= {"kind": kind, **(attributes or {})}
        self.spans.append(span)
        return span

    def of(self, number: int) -> dict[str, Noted]:
        """The spans of a trace by their names, `a < b` when b is their parent."""
        mine = [span for span in self.spans if tracing.trace_id_of(span.context) == f"{number:032x}"]
        names = {span.context: span.name for span in mine}
        return {f"{span.name} < {names.get(span.parent, 'root')}": span for span in mine}


async def started(world: VirtualWorld) -> tuple[Shop, Notes]:
    """A shop that runs and is traced."""
    notes = Notes()
    tracing.install(notes)
    shop = Shop(world)
    await shop.host.start()
    return shop, notes


async def stopped(shop: Shop, notes: Notes) -> None:
    """Ends it; every span has ended, once."""
    await shop.host.stop()
    tracing.uninstall()
    assert [(span.name, span.ends) for span in notes.spans if span.ends != 1] == []


async def take(shop: Shop, number: int, *, printed: bool = False, traced: bool = True) -> None:
    """Takes a number in the trace of this number."""
    tracing.enter(root(number) if traced else "")
    await shop.host.call(TAKE, Take(number, printed), Deadline.after(30))


BOOKED = [
    "batch of till.Take < till.Take",
    "books hears till: took < batch of till.Take",
    "publish till: took < batch of till.Take",
    "till.Take < root",
]


@virtual
async def test_a_batch_has_a_span_in_each_trace(world: VirtualWorld) -> None:
    """Each traced request has the batch in its own trace, linked to the others; each event goes on in its own."""
    shop, notes = await started(world)
    shop.databases["till"].delay = 0.1
    await asyncio.gather(take(shop, 1), take(shop, 2), take(shop, 3, traced=False), take(shop, 4))
    await shop.until(lambda: shop.entries() == [1, 2, 3, 4], seconds=5)
    for number in (1, 2, 4):
        assert sorted(notes.of(number)) == BOOKED
    one, two, four = (notes.of(number) for number in (1, 2, 4))
    batch = two["batch of till.Take < till.Take"]
    assert batch.notes["batch.size"] in (3, 4)
    assert batch.notes["number"] == "2"
    assert batch.notes["commit.seconds"] == 0.1
    assert four["till.Take < root"].context in batch.links
    assert one["till.Take < root"].notes == {"kind": "internal", "number": "1"}
    assert two["books hears till: took < batch of till.Take"].notes["kind"] == "consumer"
    assert {tracing.trace_id_of(span.context) for span in notes.spans} == {f"{number:032x}" for number in (1, 2, 4)}
    await stopped(shop, notes)


@virtual
async def test_untraced_work_records_nothing(world: VirtualWorld) -> None:
    """What no traced request asked for has no span, though the tracer is on and an earlier request was traced."""
    shop, notes = await started(world)
    await take(shop, 1)
    await shop.until(lambda: shop.entries() == [1], seconds=5)
    before = len(notes.spans)
    await take(shop, 2, printed=True, traced=False)
    await shop.until(lambda: shop.prints() == [2] and shop.entries() == [1, 2], seconds=5)
    assert [span.name for span in notes.spans[before:]] == []
    await stopped(shop, notes)


@virtual
async def test_reruns_and_bugs(world: VirtualWorld) -> None:
    """A batch that runs again has a span for each run; a bug fails the spans of its own request alone."""
    shop, notes = await started(world)
    await asyncio.sleep(0.5)  # nothing else uses the database now
    shop.databases["till"].faults.coming.append(Fault.ROLLED_BACK)
    await take(shop, 1)
    runs = [span for span in notes.spans if span.name == "batch of till.Take"]
    assert [run.failure.partition(":")[0] for run in runs] == ["DatabaseError", ""]
    shop.till.poison = (3,)
    await asyncio.gather(take(shop, 2), take(shop, 3), take(shop, 4), return_exceptions=True)
    assert notes.of(3)["till.Take < root"].failure.startswith("OperationFailed")
    assert notes.of(3)["batch of till.Take < till.Take"].failure.startswith("ValueError: 3 is poison")
    assert notes.of(2)["till.Take < root"].failure == notes.of(4)["till.Take < root"].failure == ""
    await stopped(shop, notes)


@virtual
async def test_set_aside(world: VirtualWorld) -> None:
    """An event that was set aside goes on in its trace when it is tried again, and takes effect unchanged."""
    shop, notes = await started(world)
    shop.books.poison = (1,)
    await take(shop, 1)
    await shop.until(lambda: len(shop.rows("books", "set_aside")) == 1, seconds=5)
    await asyncio.sleep(5)
    shop.books.poison = ()
    await shop.until(lambda: shop.entries() == [1])
    heard = [span for span in notes.spans if span.name == "books hears till: took"]
    assert [span.failure.partition(":")[0] for span in heard[:2]] == ["ValueError", "ValueError"]
    assert heard[-1].failure == ""
    assert {tracing.trace_id_of(span.context) for span in heard} == {f"{1:032x}"}
    await stopped(shop, notes)


@virtual
async def test_tasks_go_on(world: VirtualWorld) -> None:
    """Durable work belongs to the trace of the request that enqueued it, and so does recording what came of it."""
    shop, notes = await started(world)
    await asyncio.gather(take(shop, 1, printed=True), take(shop, 2, printed=True))
    await shop.until(lambda: shop.prints() == [1, 2], seconds=5)
    for number in (1, 2):
        spans = notes.of(number)
        assert spans["task print < batch of till.Take"].notes["task.key"] == str(number)
        assert "batch of ends of tasks < ends of tasks" in spans
    await stopped(shop, notes)


@virtual
async def test_another_process_relays(world: VirtualWorld) -> None:
    """The trace of an event whose process died before it was published goes on in the next one."""
    shop, notes = await started(world)
    shop.broker.faults.away = True
    await take(shop, 1)
    shop.die()
    shop.made()
    await shop.host.start()
    await shop.until(lambda: shop.entries() == [1], seconds=300)
    assert "books hears till: took < batch of till.Take" in notes.of(1)
    await shop.host.stop()
    tracing.uninstall()


@virtual
async def test_without_a_tracer_contexts_are_passed_on(world: VirtualWorld) -> None:
    """A process that records nothing hands a trace from a request to the events that come of it."""
    shop = Shop(world)
    await shop.host.start()
    await take(shop, 1)
    await take(shop, 2, traced=False)
    await shop.until(lambda: shop.entries() == [1, 2], seconds=5)
    bodies = [message.body for message in shop.broker.published]
    assert [root(1).encode() in body for body in bodies] == [True, False]
    assert b"traceparent" not in bodies[1]
    await shop.host.stop()


@virtual
async def test_messages_of_other_programs(world: VirtualWorld) -> None:
    """A message of another program belongs to the trace that its property names, if that is one."""
    shop, notes = await started(world)
    for number, trace in ((7, root(7)), (8, "broken")):
        body = b'[{"id":"e%d","at":1,"data":{"number":%d}}]' % (number, number)
        await shop.broker.publish([Message("till", f"m{number}", body, "took", properties={"traceparent": trace})])
    await shop.until(lambda: shop.entries() == [7, 8], seconds=5)
    assert [(span.name, span.parent) for span in notes.spans] == [("books hears till: took", root(7))]
    await stopped(shop, notes)
