"""A consumer in Java (Dubbo 3.3, Triple, stubs made from the .proto files) finds services in Python, and calls them."""

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.programs import Program, python

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def config(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only calls leave the process."""
    file = tmp_path_factory.mktemp("config") / "users.toml"
    file.write_text(f'[dubbo.registry]\naddress = "{registry}"\n[dubbo.protocol]\nhost = "127.0.0.1"\n')
    return file


@pytest.fixture
def provider(config: Path) -> Generator[Program]:
    """One in Python."""
    with python("-m", "tests.interop.provider", config) as program:
        program.line("ready")
        yield program
        program.stop()


def found(consumer: Program, *providers: Program) -> None:
    """Waits until the consumer is answered by each of these, and by no other."""
    want = {f"Hello, you, from {provider.pid}" for provider in providers}
    until = time.monotonic() + 60
    while {consumer.ask("hello you") for _ in range(12)} != want:
        assert time.monotonic() < until, consumer.ask("hello you")
        time.sleep(0.1)


def test_it_calls(consumer: Program, provider: Program) -> None:
    """It finds the provider, and its call is answered."""
    found(consumer, provider)
    assert consumer.ask("hello 小明") == f"Hello, 小明, from {provider.pid}"


def test_errors_are_statuses(consumer: Program, provider: Program) -> None:
    """What the contract does not allow, and what meets a bug, is answered with gRPC's own status."""
    found(consumer, provider)
    assert consumer.ask("hello-once").startswith("failed INVALID_ARGUMENT")
    assert consumer.ask("hello-once bug").startswith("failed INTERNAL")
    assert consumer.ask("hello-once Ann") == f"Hello, Ann, from {provider.pid}"


def test_deadline(consumer: Program, provider: Program) -> None:
    """The provider knows how long the consumer waits; one that waits too short is told so when its time is over."""
    found(consumer, provider)
    *_, remaining = consumer.ask("hello-within Ann 4500").split()
    assert 2000 < int(remaining) <= 4500
    begin = time.monotonic()
    assert consumer.ask("hello-within Ann 300").startswith("failed ")
    assert time.monotonic() - begin < 1.5


def test_a_provider_leaves(consumer: Program, config: Path) -> None:
    """When one of two providers is stopped it is asked no more at once; no call fails, though none is tried twice."""
    with ExitStack() as stack:
        leaving, staying = (stack.enter_context(python("-m", "tests.interop.provider", config)) for _ in range(2))
        found(consumer, leaving, staying)
        answers: list[str] = []
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(leaving.stop)
            while not stopping.done():
                answers.append(consumer.ask("hello-once you"))
        assert stopping.result() == 0
        assert f"Hello, you, from {leaving.pid}" not in answers[len(answers) // 2 :]
        answers += [consumer.ask("hello-once you") for _ in range(50)]
        assert set(answers) <= {f"Hello, you, from {one.pid}" for one in (leaving, staying)}
        assert set(answers[-50:]) == {f"Hello, you, from {staying.pid}"}
        staying.stop()


def test_a_provider_dies(consumer: Program, config: Path) -> None:
    """When one of two providers is killed, calls go on with the other; Dubbo may fail one that met the broken line."""
    with ExitStack() as stack:
        dying, staying = (stack.enter_context(python("-m", "tests.interop.provider", config)) for _ in range(2))
        found(consumer, dying, staying)
        dying.kill()
        answers = [consumer.ask("hello you") for _ in range(200)]
        expected = f"Hello, you, from {staying.pid}"
        assert len([answer for answer in answers if answer != expected]) <= 2, answers[:20]
        assert set(answers[-100:]) == {expected}
        staying.stop()
