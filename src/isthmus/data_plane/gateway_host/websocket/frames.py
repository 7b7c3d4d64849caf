"""A socket's bytes: RFC 6455 by `websockets`' protocol without I/O, between our server's connection and a session.

Imported with the first socket, not before: it takes 30 ms. No extension is spoken, so no message is compressed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import cast

from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol

from isthmus.data_plane.gateway_host.websocket.session import Signal, SocketLimits
from isthmus.data_plane.server import Successor
from isthmus.errors import InvalidRequest

FRAGMENTS_MAX = 65_536
CLOSE_SECONDS = 5.0
"""How long the peer may take to answer our close."""

DISCARDED_MAX_BYTES = 4 * 1024 * 1024
"""What it may go on sending meanwhile, so that it still reads why."""


def accept(path: str, lines: Sequence[tuple[bytes, bytes]], subprotocol: str | None) -> bytes:
    """The head that opens the socket. Raises `InvalidRequest` for a handshake that is none."""
    headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in lines])
    response = ServerProtocol().accept(Request(path, headers))
    if response.status_code != 101:
        raise InvalidRequest(response.body.decode().strip(), status=response.status_code)
    if subprotocol is not None:
        response.headers["Sec-WebSocket-Protocol"] = subprotocol
    return response.serialize()


class SocketFrames(Successor):
    """One open socket's connection; the session's `Frames`. Reads on once what has come was taken."""

    def __init__(self, limits: SocketLimits) -> None:
        self._limits = limits
        self._wire = Protocol(Side.SERVER, state=State.OPEN, max_size=limits.message_max_bytes)
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # set before anything else is called
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[bytes | Signal] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._fragments: list[bytes] = []
        self._is_text = False
        self._left = False
        self._asked = False
        self._heard = False
        self._discarded = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._ping_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None

    async def receive(self) -> bytes | Signal:
        while not self._arrived:
            if self._left:
                return Signal.LEFT
            self._waiting = self._loop.create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        arrived = self._arrived.popleft()
        if not self._arrived and not self._left and not self._transport.is_closing():
            self._transport.resume_reading()
        return arrived

    async def send(self, message: bytes) -> None:
        """Waits while the peer reads more slowly than it is given."""
        await self._writable.wait()
        if self._wire.state is State.OPEN and not self._left:
            self._wire.send_text(message)
            self._flush()

    def close(self, code: int, reason: str) -> None:
        if self._wire.state is State.OPEN and not self._left:
            self._wire.send_close(code, reason)
            self._closing()

    def shutdown(self) -> None:
        """The server's own word that it is to end."""
        self._put(Signal.DRAIN)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods alone
        self._schedule_ping()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._wire.state is not State.OPEN:
            self._discarded += len(data)
            if self._discarded > DISCARDED_MAX_BYTES:
                self._transport.abort()
                return
        self._wire.receive_data(data)
        for event in self._wire.events_received():
            assert isinstance(event, Frame)
            self._on_frame(event)
        if self._wire.state is State.OPEN and not self._writable.is_set():
            self._wire.data_to_send()  # pongs for one who reads nothing would pile up
            return
        if self._wire.state is State.OPEN:
            self._flush()
        else:
            self._closing()

    def eof_received(self) -> bool:
        self._wire.receive_eof()
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._ping_timer, self._stall_timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        self._leave()
        self._writable.set()
        self.when_lost()

    def pause_writing(self) -> None:
        self._writable.clear()
        self._stall_timer = self._loop.call_later(self._limits.stall_seconds, self._transport.abort)

    def resume_writing(self) -> None:
        self._writable.set()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            self._is_text = frame.opcode is Opcode.TEXT
            self._fragments = []
        elif frame.opcode is not Opcode.CONT:
            return
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            self._on_message()
        elif len(self._fragments) > FRAGMENTS_MAX:
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"a message of more than {FRAGMENTS_MAX} fragments")

    def _on_message(self) -> None:
        message = b"".join(self._fragments)
        self._fragments = []
        if not self._is_text:
            self._put(Signal.BINARY)
            return
        try:
            message.isascii() or message.decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "a text that is not UTF-8")
            return
        self._put(message)

    def _put(self, arrived: bytes | Signal) -> None:
        if self._left:
            return
        self._arrived.append(arrived)
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _fail(self, code: CloseCode, reason: str) -> None:
        if self._wire.state is State.OPEN:
            self._wire.fail(code, reason)

    def _closing(self) -> None:
        """Either side has said that this is the end. The other is waited for no longer than CLOSE_SECONDS."""
        self._flush()
        self._leave()
        if not self._transport.is_closing():
            self._transport.resume_reading()
        if self._close_timer is None:
            self._close_timer = self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def _leave(self) -> None:
        """No answer can be given any more."""
        if not self._left:
            self._left = True
            self._arrived.clear()
            self._fragments = []
            self._wake()

    def _flush(self) -> None:
        for data in self._wire.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _schedule_ping(self) -> None:
        if self._limits.ping_seconds:
            self._ping_timer = self._loop.call_later(self._limits.ping_seconds, self._ping)

    def _ping(self) -> None:
        if self._asked and not self._heard:
            self._transport.abort()
            return
        # One who reads nothing is not asked: `stall_seconds` is for it.
        self._asked = self._writable.is_set() and self._wire.state is State.OPEN
        self._heard = False
        if self._asked:
            self._wire.send_ping(b"isthmus")
            self._flush()
        self._schedule_ping()
