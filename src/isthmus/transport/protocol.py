"""The one verb of the upstream transport, and the two values it deals in. It knows nothing of dialects."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol

import msgspec


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. `connect` covers everything before the request is sent: waiting for a free connection, the name, TCP, a
    proxy's tunnel, TLS. `first_byte` runs until the head of the answer is there. `idle` is the longest silence between
    two bytes after that, the caller's own pauses not counted. While a large request is being sent, either begins anew
    whenever the server has read some of it; while a streamed body lets us wait for its next piece, neither runs: how
    long that may take is for the body to say. The last two may be infinite."""

    connect_seconds: float = 10.0
    first_byte_seconds: float = 600.0
    idle_seconds: float = 120.0


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`headers` are sent as given; Host, Content-Length and Connection are the transport's own business.

    A streamed body is pulled piece by piece, whenever the socket has room for more, and once only: the request goes out
    on a new connection, which others may use afterwards, and is never sent a second time. `body_bytes` is the length
    that its caller declared (of a body of plain bytes it says nothing): a body that turns out shorter or longer fails
    with `InvalidRequest`. None: not known, the body is sent in chunks. What the body raises is raised by `send`, or by
    the answer's chunks. Once it was begun no `UpstreamError` is retryable, and the body has been closed (`aclose`,
    where it has one) when `send` has raised, or the answer's `aclose` has returned. Where `send` raises before, for
    want of a connection, the body is untouched.
    """

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | AsyncIterable[bytes] = b""
    body_bytes: int | None = None
    timeouts: Timeouts = Timeouts()
    allow_private_address: bool = True


class UpstreamResponse(Protocol):
    """`status` and `headers` (lower-case names) are there at once; the body is pulled, chunk by chunk.

    `chunks()` may be iterated once. It raises `TimedOut`, `Interrupted` or `Malformed`, none of them retryable, after
    what had come before. A task that is cancelled while it waits for a chunk closes the connection at once. `aclose()`
    is idempotent, leaves the connection to its pool where the answer had come to its end, and otherwise closes it at
    once, so that the provider sees that nobody listens. `complete` tells whether the body has ended properly and has
    all been handed out.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]

    @property
    def complete(self) -> bool: ...

    def header(self, name: bytes) -> bytes | None: ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Transport(Protocol):
    """Sends one request. Raises `InvalidRequest` where it could not be put on the wire, `Unavailable` (refused,
    unresolvable, not allowed, TLS, closed before the head), `TimedOut` or `Malformed`."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse: ...

    async def aclose(self) -> None: ...
