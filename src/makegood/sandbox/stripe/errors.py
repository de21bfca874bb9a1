"""What Stripe says of a request that it does not carry out."""


class Refused(Exception):
    """The request was refused: nothing changed; the message says what to do about it."""

    def __init__(self, message: str, *, status: int = 400, code: str = "", param: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.kind = kind or "invalid_request_error"

    def content(self) -> dict[str, object]:
        """The error as JSON says it."""
        said = {"type": self.kind, "message": str(self), "code": self.code, "param": self.param}
        return {"error": {name: value for name, value in said.items() if value}}


def missing(what: str, identity: str) -> Refused:
    """There is nothing of that id; the id is the caller's own text, and short."""
    return Refused(f"No such {what}: '{identity[:64]}'", status=404, code="resource_missing", param="id")
