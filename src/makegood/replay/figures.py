"""What programs say of themselves at `/metrics`: what still waits in them, their CPU seconds, their resident memory."""

from collections.abc import Iterable, Mapping

import msgspec
from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

CPU = "process_cpu_seconds_total"
RESIDENT = "process_resident_memory_bytes"
WAITING = (
    "makegood_service_queue",
    "makegood_service_outbox",
    "makegood_service_lag",
    "makegood_service_set_aside",
    "makegood_sandbox_notifications_due",
)


class Look(msgspec.Struct, frozen=True):
    """One look at a program; None is what it does not tell. Memory in bytes."""

    waiting: int = 0
    """Calls, messages, events and notifications that it has still to see to."""
    cpu_seconds: float | None = None
    """Since it started."""
    resident: int | None = None


def look(text: str) -> Look:
    """What a program's figures say; raises ValueError when they are not in Prometheus' text format."""
    return _look(text_string_to_metric_families(text))


def look_at_myself() -> Look:
    """This process."""
    return _look(ProcessCollector(registry=CollectorRegistry()).collect())


def _look(families: Iterable[Metric]) -> Look:
    sums: dict[str, float] = {}
    for family in families:
        for sample in family.samples:
            if sample.name in (CPU, RESIDENT, *WAITING):
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
    resident = sums.get(RESIDENT)
    return Look(_waiting(sums), sums.get(CPU), None if resident is None else int(resident))


def _waiting(sums: Mapping[str, float]) -> int:
    return int(sum(sums.get(name, 0) for name in WAITING))
