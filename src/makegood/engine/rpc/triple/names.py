"""What services, operations and processes are called on the wire."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from makegood.engine.contracts import Operation
from makegood.engine.rpc.protobuf.naming import camel
from makegood.engine.rpc.protobuf.proto import PACKAGE
from makegood.engine.tracing import Value

CALLS = "/makegood.rpc.Calls/Exchange"
"""The method by which makegood's own processes speak to each other, whatever services they run."""

PUSHBACK = "grpc-retry-pushback-ms"
"""When to ask an overloaded process again: https://github.com/grpc/proposal/blob/master/A6-client-retries.md."""


def is_foreign(operation: Operation[Any, Any]) -> bool:
    """Whether it belongs to an interface of somebody else's making: then its service is that interface's name."""
    return "." in operation.service


def interface_of(operation: Operation[Any, Any]) -> str:
    """`makegood.Stock` for the service `stock`; a foreign one is an interface already."""
    return interface(operation.service)


@lru_cache(maxsize=1024)
def interface(service: str) -> str:
    """The name under which a service stands in the registry."""
    return service if "." in service else f"{PACKAGE}.{camel(service)}"


def method_of(operation: Operation[Any, Any]) -> str:
    """`/makegood.Stock/Deduct`; of a foreign interface, the name exactly as it is."""
    name = operation.name if is_foreign(operation) else camel(operation.name)
    return f"/{interface_of(operation)}/{name}"


def span_of(operation: Operation[Any, Any]) -> tuple[str, Mapping[str, Value]]:
    """Name and attributes of a call's spans: https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/."""
    service, _, method = method_of(operation)[1:].partition("/")
    return f"{service}/{method}", {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}


def address_of(host: str, port: int) -> str:
    """`ip:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
