"""The operators' API, as the command line uses it."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import httpx

from makegood.embedded.directory import RunFile

TIMEOUT = 120.0
"""Seconds that an audit or a load may take to answer."""


class OperatorError(Exception):
    """The shop refused or did not answer; the message says what to do."""


class OperatorClient:
    """Talks to a running shop with its operators' token."""

    def __init__(self, run: RunFile) -> None:
        headers = {"Authorization": f"Bearer {run.operators_token}"}
        self._http = httpx.AsyncClient(base_url=run.url, headers=headers, timeout=TIMEOUT, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def load(self, document: bytes, name: Path | None = None) -> dict[str, Any]:
        """Takes a load file in. Raises OperatorError with every problem."""
        answer = await self._send("POST", "/api/ops/load", content=document, type="application/json")
        return self._good(answer, f"{name} was refused" if name else "the document was refused")

    async def audit(self) -> dict[str, Any]:
        """The report of an audit made now."""
        return self._good(await self._send("GET", "/api/ops/audit"), "the audit failed")

    async def dead_letters(self, after: str | None, limit: int) -> dict[str, Any]:
        """One page of dead letters."""
        query = f"?limit={limit}" + (f"&after={after}" if after else "")
        return self._good(await self._send("GET", f"/api/ops/dead-letters{query}"), "the list was refused")

    async def replay(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Has at most 100 dead letters tried again: an `outcome` each, `replayed` or `gone`."""
        return await self._of_letters("replay", ids, "the replay was refused: take ids from the list")

    async def outcomes(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What has become of at most 100 dead letters: an `outcome` each, `waiting`, `failed` or `gone`."""
        return await self._of_letters("outcomes", ids, "the question was refused")

    async def reconcile(self, channel: str, date: str) -> dict[str, Any]:
        """Begins to compare a platform's bill of a day (YYYY-MM-DD); one that runs goes on."""
        body = json.dumps({"channel": channel, "date": date}).encode()
        answer = await self._send("POST", "/api/ops/reconciliations", content=body, type="application/json")
        return self._good(answer, "nothing was compared")

    async def reconciliation(self, channel: str, date: str) -> dict[str, Any]:
        """How far the comparison is."""
        path = f"/api/ops/reconciliations/{quote(channel, safe='')}/{quote(date, safe='')}"
        return self._good(await self._send("GET", path), "the question was refused")

    async def differences(self, account: str, date: str, limit: int) -> list[dict[str, Any]]:
        """The first differences of one bill, at most 1,000."""
        query = urlencode({"account": account, "date": date, "limit": limit})
        page = self._good(await self._send("GET", f"/api/ops/differences?{query}"), "the list was refused")
        return page["differences"]

    async def _of_letters(self, what: str, ids: Sequence[str], failure: str) -> list[dict[str, Any]]:
        body = json.dumps({"ids": list(ids)}).encode()
        answer = await self._send("POST", f"/api/ops/dead-letters/{what}", content=body, type="application/json")
        return self._good(answer, failure)["outcomes"]

    async def _send(self, method: str, path: str, *, content: bytes | None = None, type: str = "") -> httpx.Response:
        headers = {"Content-Type": type} if type else {}
        try:
            return await self._http.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise OperatorError(
                f"the shop at {self._http.base_url} does not answer ({error!r}): see whether it runs"
            ) from error

    def _good(self, answer: httpx.Response, failure: str) -> dict[str, Any]:
        if answer.is_success:
            return answer.json()
        try:
            problem = answer.json()
        except ValueError:
            problem = {"detail": answer.text[:200]}
        lines = [str(one) for one in problem.get("problems", [])]
        raise OperatorError("\n  ".join([f"{failure}: {problem.get('detail') or problem.get('title')}", *lines]))
