"""A provider that goes on when a test says so, and callers who leave in the middle and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec

from data_plane import spoken
from data_plane.callers import CHAT, GEMINI, MESSAGES, RESPONSES, asked, path
from data_plane.odd_provider import LAST_CHUNK, Asked, chunk, stream_head

ALL = 1_000_000
WAIT_SECONDS = 10
ASKING = {"cf-aig-resumable": "true"}
NOT_FOUND = b'{"error":"Request not found"}'

# A caller's dialect, and a provider that speaks the same or another one.
RELAYED = [(CHAT, CHAT), (RESPONSES, RESPONSES), (MESSAGES, MESSAGES), (GEMINI, GEMINI)]
TRANSLATED = [(CHAT, MESSAGES), (RESPONSES, CHAT), (MESSAGES, CHAT), (GEMINI, CHAT)]


class Paced:
    """An answer of which as many events come as are allowed. `ended` False: it breaks off behind the last."""

    def __init__(self, *events: bytes, ended: bool = True) -> None:
        self.events = events
        self.allowed = 0
        self._ended = ended
        self._more = asyncio.Event()

    def allow(self, count: int = ALL) -> None:
        self.allowed = count
        self._more.set()

    async def answer(self, _: Asked) -> AsyncIterator[bytes]:
        yield stream_head()
        for number, event in enumerate(self.events):
            while self.allowed <= number:
                self._more.clear()
                await self._more.wait()
            yield chunk(event)
        if self._ended:
            while self.allowed <= len(self.events):
                self._more.clear()
                await self._more.wait()
            yield LAST_CHUNK


def paced(dialect: str, *texts: str) -> Paced:
    return Paced(*spoken.stream(dialect, *texts))


class Listener:
    """One streamed answer, read as far as a test wants."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.received = b""
        self._chunks = response.aiter_raw()

    @property
    def run_id(self) -> str:
        return str(self.response.headers["cf-aig-run-id"])

    async def blocks(self, count: int) -> bytes:
        """The first so many, counted as the vendor's client does: by blank lines."""
        while self.received.count(b"\n\n") < count:
            self.received += await asyncio.wait_for(anext(self._chunks), WAIT_SECONDS)
        end = 0
        for _ in range(count):
            end = self.received.index(b"\n\n", end) + 2
        return self.received[:end]

    async def rest(self) -> bytes:
        """All of it, from the first byte on."""
        async with asyncio.timeout(WAIT_SECONDS):
            async for data in self._chunks:
                self.received += data
        await self.response.aclose()
        return self.received

    async def leave(self) -> None:
        await self.response.aclose()


async def begin(gateway: Any, caller: str, model: str, headers: dict[str, str] | None = None) -> Listener:
    body = msgspec.json.encode(asked(caller, model, "Say something.", stream=True))
    return await _listen(
        gateway,
        "POST",
        f"{gateway.account}/ai/{path(caller, model, True)}",
        body,
        ASKING if headers is None else headers,
    )


async def post(gateway: Any, url: str, body: Any, headers: dict[str, str]) -> Listener:
    """To any address, with no token but those that are given."""
    request = gateway.client.build_request("POST", url, json=body, headers=headers)
    return Listener(await asyncio.wait_for(gateway.client.send(request, stream=True), WAIT_SECONDS))


async def resume(gateway: Any, run_id: str, count: int | None, headers: dict[str, str] | None = None) -> Listener:
    query = "" if count is None else f"?from={count}"
    return await _listen(gateway, "GET", address(gateway, run_id) + query, None, headers or {})


def address(gateway: Any, run_id: str, gateway_id: str = "default") -> str:
    return f"{gateway.account}/ai-gateway/gateways/{gateway_id}/run/{run_id}/resume"


async def _listen(gateway: Any, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Listener:
    sent = {"content-type": "application/json", **gateway.headers, **headers}
    request = gateway.client.build_request(method, url, content=body, headers=sent)
    return Listener(await asyncio.wait_for(gateway.client.send(request, stream=True), WAIT_SECONDS))


async def rows(gateway: Any, count: int) -> list[dict[str, Any]]:
    """The rows, as soon as there are so many."""
    async with asyncio.timeout(WAIT_SECONDS):
        while len(found := await gateway.rows_or_none()) < count:
            await asyncio.sleep(0)
    return list(found)
