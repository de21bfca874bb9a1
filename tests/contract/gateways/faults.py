"""Faults of the running sandbox, for as long as a block."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx


@asynccontextmanager
async def faults(url: str, *rules: dict[str, object]) -> AsyncGenerator[None]:
    """Has these rules in force, then none."""
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{url}/control/faults", json={"rules": rules})
        assert answer.status_code == 200, answer.text
        try:
            yield
        finally:
            assert (await http.post(f"{url}/control/faults", json={})).status_code == 200
