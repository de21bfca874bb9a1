"""What can be set about logs and traces."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

TRACES = "/v1/traces"
"""Where a collector takes traces by OTLP over HTTP."""


@dataclass(frozen=True, slots=True)
class ObserveSettings:
    """`[observe]`. Raises ValueError for what cannot be."""

    logs: Literal["text", "json"] = "text"
    """A line of text for people, or one JSON object a line for a log store; to standard error."""
    level: Literal["debug", "info", "warning", "error"] = "warning"
    """The least important lines that are written."""
    otlp_endpoint: str = ""
    """A collector that takes OTLP over HTTP: `http://127.0.0.1:4318`. Empty, the default: nothing is traced."""
    sample: float = 0.01
    """The part of requests that are traced, 0 to 1; one that comes with a `traceparent` is, or is not, as that says."""
    take_traceparent: bool = True
    """Whether callers may say so. Turn it off where anybody on the internet is a caller."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.sample <= 1.0:
            raise ValueError(f"sample is {self.sample}: give a part from 0 to 1")
        address = urlsplit(self.otlp_endpoint)
        if self.otlp_endpoint and (address.scheme not in ("http", "https") or not address.hostname):
            raise ValueError(f"otlp_endpoint {self.otlp_endpoint!r}: give an address like http://127.0.0.1:4318")

    @property
    def traces_url(self) -> str:
        """Where spans are sent: the endpoint with OTLP's path, unless it has one of its own."""
        if urlsplit(self.otlp_endpoint).path.strip("/"):
            return self.otlp_endpoint
        return self.otlp_endpoint.rstrip("/") + TRACES
