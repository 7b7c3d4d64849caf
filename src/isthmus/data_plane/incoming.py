"""The body of a request on its way in: within its limits, all of it at once or piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import msgspec

from isthmus.core.call import Call
from isthmus.errors import CallerLeft, GatewayError, TimedOutReading, TooLarge

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Sending(Protocol):
    """The connection that the body comes by."""

    @property
    def request_complete(self) -> bool: ...


class IngressLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`body_max_bytes` is for bodies that are read, `passed_max_bytes` for those that go through unread.
    `read_seconds`: for all of the one, for each piece of the other, which `passed_seconds` bounds as a whole: else a
    byte a minute would keep a provider's connection for ever."""

    body_max_bytes: int = 32 * 1024 * 1024
    passed_max_bytes: int = 100 * 1024 * 1024
    passed_seconds: float = 900.0
    read_seconds: float = 60.0
    concurrent_calls: int = 10_000


class IncomingBody:
    """One request's body; an `Incoming`."""

    __slots__ = ("_limits", "_receive", "_sending", "length")

    def __init__(self, call: Call, sending: Sending, receive: Receive, limits: IngressLimits) -> None:
        self._sending = sending
        self._receive = receive
        self._limits = limits
        declared = call.headers.get(b"content-length")
        self.length: int | None = None if declared is None else int(declared)
        if declared is None and b"transfer-encoding" not in call.headers:
            self.length = 0

    async def whole(self) -> bytes:
        """Raises `TooLarge` before reading it all."""
        limits = self._limits
        if self.length is not None and self.length > limits.body_max_bytes:
            raise _too_large(limits.body_max_bytes)
        if self._sending.request_complete:
            return await self._received()
        try:
            async with asyncio.timeout(limits.read_seconds):
                return await self._received()
        except TimeoutError:
            raise _overdue(limits) from None

    async def pieces(self) -> AsyncIterator[bytes]:
        """As they come, none of them kept: the connection is read no faster than these are asked for."""
        limits, size, more = self._limits, 0, True
        now = asyncio.get_running_loop().time
        end = now() + limits.passed_seconds
        if self.length is not None and self.length > limits.passed_max_bytes:
            raise _too_large(limits.passed_max_bytes)
        while more:
            try:
                async with asyncio.timeout(min(limits.read_seconds, end - now())):
                    message = await self._receive()
            except TimeoutError:
                raise _overdue(limits) from None
            piece, more = _piece(message)
            size += len(piece)
            if size > limits.passed_max_bytes:
                raise _too_large(limits.passed_max_bytes)
            if piece:
                yield piece

    async def _received(self) -> bytes:
        most = self._limits.body_max_bytes
        body, more = _piece(await self._receive())
        if not more:  # nearly always
            if len(body) > most:
                raise _too_large(most)
            return body
        parts = [body]
        size = len(body)
        while more:
            piece, more = _piece(await self._receive())
            parts.append(piece)
            size += len(piece)
            if size > most:
                raise _too_large(most)
        return b"".join(parts)


def _piece(message: MutableMapping[str, Any]) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise CallerLeft("The caller hung up in the middle of its request.")
    return message.get("body", b""), message.get("more_body", False)


def _overdue(limits: IngressLimits) -> GatewayError:
    return TimedOutReading(
        f"The request did not arrive in time: {limits.read_seconds:g} seconds, or {limits.passed_seconds:g} for a body "
        "that is passed on piece by piece, of which each may take as long."
    )


def _too_large(most: int) -> GatewayError:
    return TooLarge(f"The body is over {most} bytes, the most that this gateway takes here.")
