"""One connection to the simulator: HTTP/1.1 read with httptools, keep-alive, one answer at a time. It knows nothing of
what is answered; `delivery` writes through it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

import httptools

from isthmus.simulator.recorded import RecordedRequest

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_PIPELINED = 16
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)

Serve = Callable[["Connection", RecordedRequest], Awaitable[None]]


class Connection(asyncio.Protocol):
    """`left` is set when the other side has gone."""

    def __init__(self, serve: Serve, open_connections: set[Connection]) -> None:
        self._serve = serve
        self._open = open_connections
        self._incoming = _Incoming(self._begin)
        self._parser = httptools.HttpRequestParser(self._incoming)
        self._waiting: deque[RecordedRequest] = deque()
        self._current: RecordedRequest | None = None
        self._task: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._keep_alive = True
        self._closing = False
        self.left = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._transport.set_write_buffer_limits(high=0)  # "drained" is then "in the kernel's hands"
        self._socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(self)

    def _socket(self) -> socket.socket:
        found: socket.socket = self._transport.get_extra_info("socket")
        return found

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self.left.set()
        self._drained.set()
        for request in (self._current, *self._waiting):
            if request is not None and not self._closing:
                request.leave()
        self._waiting.clear()

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(_BAD_REQUEST)
            return
        if self._incoming.expects_continue():
            self._transport.write(_CONTINUE)
        if self._incoming.body_bytes > MAX_BODY_BYTES:
            self._refuse(_TOO_LARGE)

    def _refuse(self, answer: bytes) -> None:
        self._transport.write(answer)
        self.close()

    def _begin(self) -> None:
        """A request has come whole."""
        self._keep_alive = self._parser.should_keep_alive()
        self._waiting.append(self._incoming.take(self._parser.get_method()))
        if len(self._waiting) > MAX_PIPELINED:
            self._refuse(_BAD_REQUEST)
        elif self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        try:
            while self._waiting and not self._closing:
                self._current = self._waiting.popleft()
                await self._serve(self, self._current)
                self._current = None
        except BaseException:
            self.close()
            raise
        self._task = None
        if not self._keep_alive:
            self.close()

    def write(self, data: bytes) -> None:
        if not self.left.is_set():
            self._transport.write(data)

    async def drain(self) -> None:
        """Returns when all that was written is in the kernel's hands, or the other side has gone."""
        await self._drained.wait()

    def close(self) -> None:
        """A clean end after what was written."""
        self._closing = True
        self._transport.close()

    def reset(self) -> None:
        """An RST instead of an end."""
        self._closing = True
        self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    async def stop(self) -> None:
        """Ends it at once, whatever it is doing."""
        self._closing = True
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.left.wait()


class _Incoming:
    """What httptools tells while it parses one request after the other."""

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin
        self._expects_continue = False
        self._clear()

    def _clear(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self.body_bytes = 0

    def take(self, method: bytes) -> RecordedRequest:
        request = RecordedRequest(
            method.decode("latin-1"), self._target.decode("latin-1"), tuple(self._headers), b"".join(self._body)
        )
        self._clear()
        return request

    def expects_continue(self) -> bool:
        """Once for each request that asks for it."""
        expected, self._expects_continue = self._expects_continue, False
        return expected

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._expects_continue = any(name.lower() == b"expect" for name, _ in self._headers)

    def on_body(self, body: bytes) -> None:
        self.body_bytes += len(body)
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._expects_continue = False
        self._begin()
