"""ASGI to `Call`: finds the endpoint, reads the head, sets up how the body will be read, and hands the call on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from isthmus.core.call import Call
from isthmus.core.ids import uuid7
from isthmus.core.refusal import cut_short, refuse
from isthmus.core.reply import Headers
from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import Handler
from isthmus.data_plane.egress import Egress
from isthmus.data_plane.headers import read_options
from isthmus.data_plane.routes import POST, Address, find
from isthmus.data_plane.send import Caller, head
from isthmus.errors import (
    Busy,
    CallerLeft,
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    TimedOutReading,
    TooLarge,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Connection(Caller, Protocol):
    """The caller's connection (`server.CallerProtocol`): cancels `call` when the caller leaves, knows whether all of
    the request is here, and takes the answer."""

    call: Call | None

    async def stop(self, status: int, headers: Headers, body: bytes) -> None:
        """Answers where nothing has gone out yet, and closes."""
        ...

    @property
    def request_complete(self) -> bool: ...


class IngressLimits(msgspec.Struct, frozen=True, kw_only=True):
    body_max_bytes: int = 32 * 1024 * 1024
    read_seconds: float = 60.0
    concurrent_calls: int = 10_000


class DataPlane:
    """The ASGI application below `/client/v4/accounts/{account_id}/ai/`."""

    def __init__(
        self, handler: Handler, egress: Egress, current: Callable[[], Snapshot], limits: IngressLimits
    ) -> None:
        self._handler = handler
        self._egress = egress
        self._current = current
        self._limits = limits
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: object) -> None:
        connection: Connection = scope["connection"]
        call, problem = self._call(scope)
        connection.call = call
        self._running += 1
        try:
            if problem is None:
                call.read = partial(_read, call, connection, receive, self._limits, scope["query_string"])
                await self._answer(call, connection)
            else:
                await self._egress.deliver(call, refuse(call, problem), connection)
        except asyncio.CancelledError:
            # A call that outlives the drain says so; a stream that has begun can only break off.
            if not call.caller_left:
                refusal = refuse(call, cut_short(call))
                await connection.stop(refusal.status, head(call, refusal), refusal.body or b"")
        finally:
            self._running -= 1
            connection.call = None
            call.read = None  # else call and reader hold each other, and the garbage costs a third of every call

    async def _answer(self, call: Call, caller: Caller) -> None:
        try:
            reply = await self._handler(call)
        except GatewayError as error:
            reply = refuse(call, error)
        await self._egress.deliver(call, reply, caller)

    def _call(self, scope: Scope) -> tuple[Call, GatewayError | None]:
        path: str = scope["path"]
        address = find(path) or NOWHERE
        endpoint = address.endpoint
        problem: GatewayError | None = None
        if endpoint is None:
            problem = NotFound("No route for that URI. " + _MENU)
        elif scope["method"] != "POST":
            problem = MethodNotAllowed(f"{scope['method']} not supported for requested URI.", allow="POST")
        elif self._running >= self._limits.concurrent_calls:
            problem = Busy("Capacity temporarily exceeded, please try again.", retry_after=1)
        call = Call(
            uuid7(), endpoint or address.otherwise, address.account_id, path, dict(scope["headers"]), self._current()
        )
        call.path_model = address.model
        if call.endpoint.dialect == "gemini":
            _read_key(call, scope["query_string"])
        call.options = read_options(call.headers)
        if call.options.event_id is not None:
            call.event_id = call.options.event_id
        return call, problem


NOWHERE = Address("", None)


def _read_key(call: Call, query: bytes) -> None:
    """Google's callers may show their key in the query."""
    key = _query(query).get("key")
    if key is not None:
        call.headers.setdefault(b"x-goog-api-key", key.encode())


def _query(query: bytes) -> dict[str, str]:
    return dict(parse_qsl(query.decode("latin-1")))


_MENU = "The gateway answers POST at " + ", ".join(f"…/ai/{path}" for path in POST if "v1/v1" not in path) + "."


async def _read(call: Call, connection: Connection, receive: Receive, limits: IngressLimits, query: bytes) -> bytes:
    """All of the body. Raises `TooLarge` before reading it all, `TimedOutReading`, or `CallerLeft`; `InvalidRequest`
    where the address asks for a stream that is framed in another way than ours are."""
    if call.endpoint.streams and _query(query).get("alt") != "sse":
        raise InvalidRequest("Streams are server-sent events here: add `?alt=sse` to the address.", param="alt")
    length = call.headers.get(b"content-length")
    if length is not None and int(length) > limits.body_max_bytes:
        raise _too_large(limits)
    if connection.request_complete:
        return await _received(receive, limits)
    try:
        async with asyncio.timeout(limits.read_seconds):
            return await _received(receive, limits)
    except TimeoutError:
        raise TimedOutReading(f"The request did not arrive within {limits.read_seconds:g} seconds.") from None


async def _received(receive: Receive, limits: IngressLimits) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if message["type"] == "http.disconnect":
            raise CallerLeft("The caller hung up in the middle of its request.")
        return _bounded(body, limits)
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerLeft("The caller hung up in the middle of its request.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limits.body_max_bytes:
            raise _too_large(limits)
    return b"".join(parts)


def _bounded(body: bytes, limits: IngressLimits) -> bytes:
    if len(body) > limits.body_max_bytes:
        raise _too_large(limits)
    return body


def _too_large(limits: IngressLimits) -> GatewayError:
    return TooLarge(f"The body is over {limits.body_max_bytes} bytes, the most that this gateway takes.")
