"""What every caller does, wherever the service runs."""

import asyncio
from typing import Any

import pytest

from makegood.engine import tracing
from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, Overloaded, ServiceUnavailable
from makegood.engine.rpc.port import Caller
from tests.contract.rpc.parrot import ECHO, ERRORS, FAIL, ONCE, ROUTED, SECRET, UNHEARD_OF, Parrot, Said, Say

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("operation", [ECHO, ONCE, ROUTED], ids=str)
async def test_answer_comes_back(caller: Caller, operation: Operation[Say, Said]) -> None:
    """A question is answered, whatever the operation promises about repeats and routes."""
    assert await caller.call(operation, Say("喂, polly"), Deadline.after(5)) == Said("喂, polly", by="polly")


async def test_refusal_is_a_value(caller: Caller) -> None:
    """What a service refuses arrives as its answer, not as an exception."""
    assert await caller.call(ECHO, Say("damn"), Deadline.after(5)) == Said("", refusal="rude")


@pytest.mark.parametrize("name", list(ERRORS))
async def test_error_arrives_as_itself(caller: Caller, parrot: Parrot, name: str) -> None:
    """Each error has the class and the words that it has in the service's own process, and is not asked for again."""
    with pytest.raises(ERRORS[name]) as raised:
        await caller.call(FAIL, Say(name), Deadline.after(5))
    assert type(raised.value) is ERRORS[name]
    assert name == "Overloaded" or str(raised.value) == f"polly has {name}, 5 s left"
    assert parrot.heard == [name]


async def test_overloaded_says_when_to_come_back(caller: Caller) -> None:
    """The seconds after which to ask again are those of the service."""
    with pytest.raises(Overloaded, match="tired") as raised:
        await caller.call(FAIL, Say("Overloaded"), Deadline.after(5))
    assert raised.value.retry_after == 7.5


async def test_expired_question_is_not_asked(caller: Caller, parrot: Parrot) -> None:
    """A question whose deadline has passed does not reach the service."""
    with pytest.raises(DeadlineExceeded):
        await caller.call(ECHO, Say("late"), Deadline.after(0))
    await asyncio.sleep(0.05)
    assert parrot.heard == []


async def test_deadline_ends_the_wait(caller: Caller) -> None:
    """Who waits for a slow answer is told at the deadline."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(DeadlineExceeded):
        await caller.call(ECHO, Say("slow", seconds=30), Deadline.after(0.2))
    assert 0.15 < loop.time() - began < 2


async def test_answers_come_in_any_order(caller: Caller) -> None:
    """No answer waits for one that was asked for before it."""
    done: list[str] = []

    async def ask(text: str, seconds: float) -> None:
        done.append((await caller.call(ECHO, Say(text, seconds), Deadline.after(10))).text)

    await asyncio.gather(ask("third", 0.4), ask("second", 0.2), ask("first", 0))
    assert done == ["first", "second", "third"]


async def test_thousands_at_once(caller: Caller, parrot: Parrot) -> None:
    """Of three thousand questions at once each gets its own answer, and each is asked once."""
    texts = [str(number) for number in range(3_000)]
    answers = await asyncio.gather(*[caller.call(ECHO, Say(text), Deadline.after(20)) for text in texts])
    assert [answer.text for answer in answers] == texts
    assert sorted(parrot.heard) == sorted(texts)


async def test_trace_is_carried(caller: Caller) -> None:
    """What the service does belongs to its caller's trace; a caller without a trace gives it none."""
    with tracing.using(TRACE):
        traced = asyncio.create_task(caller.call(ECHO, Say("a"), Deadline.after(5)))
        untraced_begins = caller.call(ECHO, Say("b"), Deadline.after(5))
    assert tracing.trace_id_of((await traced).trace) == tracing.trace_id_of(TRACE)
    assert (await untraced_begins).trace == ""


async def test_caller_gives_up(caller: Caller, parrot: Parrot) -> None:
    """A question whose asker was cancelled harms no other, nor the asker's next one."""
    given_up: list[asyncio.Task[Any]] = [
        asyncio.create_task(caller.call(ECHO, Say("long", seconds=0.3), Deadline.after(5))) for _ in range(20)
    ]
    staying = asyncio.create_task(caller.call(ECHO, Say("stays", seconds=0.3), Deadline.after(5)))
    while len(parrot.heard) < 21:
        await asyncio.sleep(0.01)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    assert (await staying).text == "stays"
    assert (await caller.call(ECHO, Say("next"), Deadline.after(5))).text == "next"


@pytest.mark.parametrize("operation", [UNHEARD_OF, SECRET], ids=str)
async def test_what_nobody_offers(caller: Caller, parrot: Parrot, operation: Operation[Say, Said]) -> None:
    """An operation that nobody offers, or that is its own process's alone, fails by the deadline at the latest."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises((ServiceUnavailable, DeadlineExceeded)):
        await caller.call(operation, Say("hush"), Deadline.after(1))
    assert loop.time() - began < 3
    assert parrot.heard == []
