"""What a process has logged for a log store."""

import json
from typing import Any

import pytest


def log_lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines since the last look."""
    return [json.loads(line) for line in captured.readouterr().err.splitlines()]
