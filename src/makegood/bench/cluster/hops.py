"""The ways between processes, and how much goes over each of them together."""

from collections.abc import Iterator

from makegood.bench.cluster.counters import Counts, counted
from makegood.bench.cluster.results import Hop

LEAST = 0.001
"""Sends for each order below which a way has to do with the clock, not with orders."""
WAYS = (
    ("calls of {}, in a frame", "makegood_rpc_client_framed_calls_total", "makegood_rpc_client_frames_total"),
    ("answers to calls, in a frame", "makegood_rpc_server_answers_total", "makegood_rpc_server_answer_frames_total"),
    ("messages of {}, in a send", "makegood_service_messages_sent_total", "makegood_service_sendings_total"),
    ("events to {}, in a message", "makegood_service_events_heard_total", "makegood_service_messages_received_total"),
)
"""What is counted on a way, by which of our counters it is counted, and by which the times that something went."""


def hops(before: Counts, after: Counts, answers: int) -> list[Hop]:
    """Every way over which something went for orders."""
    return [hop for way in WAYS for hop in _hops(before, after, answers, *way) if hop.for_each / hop.together > LEAST]


def _hops(before: Counts, after: Counts, answers: int, name: str, items: str, sends: str) -> Iterator[Hop]:
    gone, times = counted(before, after, items), counted(before, after, sends)
    for labels, count in sorted(gone.items()):
        if labels in times:
            yield Hop(name.format(*labels), count / answers, count / times[labels])
