"""Sends a body that its caller gives piece by piece: pulled only when the socket has room, never faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable

from isthmus.transport import faults
from isthmus.transport.exchange.upload import Upload


class StreamedUpload(Upload):
    """A body on its way of which no more is held than one piece. A task of its own pulls it: an answer may come, and
    be read, in the midst of it.

    With a declared length the last byte of it is the end (`done`): what the body gives beyond is not sent, and an error
    if it comes before the answer is whole.

    `move_on` is called whenever it is the provider that is waited for again: it writes while the socket has room, and
    tells whether all is written and there is room for more. `fail` ends the exchange.
    """

    __slots__ = (
        "_closed",
        "_declared_bytes",
        "_ended",
        "_fail",
        "_given_bytes",
        "_move_on",
        "_pulling",
        "_room",
        "_task",
    )

    repeatable = False
    _task: asyncio.Task[None]

    def __init__(
        self,
        transport: asyncio.Transport,
        declared_bytes: int | None,
        move_on: Callable[[], bool],
        fail: Callable[[Exception], None],
    ) -> None:
        super().__init__(transport, b"")
        self._move_on = move_on
        self._fail = fail
        self._declared_bytes = declared_bytes
        self._given_bytes = 0
        self._room: asyncio.Future[None] | None = None
        self._pulling = self._ended = self._closed = False

    @property
    def done(self) -> bool:
        return not self._unsent and (self._ended or self._given_bytes == self._declared_bytes)

    @property
    def waits_for_caller(self) -> bool:
        return self._pulling and not self.done

    def start(self, body: AsyncIterable[bytes]) -> asyncio.Task[None]:
        """What pulls the body: it ends once nothing more is asked of the body, and the body is closed."""
        self._task = asyncio.create_task(self._run(body))
        return self._task

    def next_slice(self) -> memoryview | bytes:
        piece = super().next_slice()
        if self._declared_bytes is not None:
            return piece
        return b"".join((b"%x\r\n" % len(piece), piece, b"\r\n"))  # RFC 9112, 7.1

    def write_slice(self) -> bool:
        if super().write_slice():
            return True
        if self._room is not None and not self._room.done() and not self._transport.is_closing():
            self._room.set_result(None)
        return False

    def close(self) -> None:
        super().close()
        self._closed = True
        if self._pulling or self._room is not None:
            self._task.cancel()

    async def _run(self, body: AsyncIterable[bytes]) -> None:
        pieces: AsyncIterator[bytes] | None = None
        error: Exception | None = None
        try:
            pieces = aiter(body)
            if not self._closed:
                await self._pull(pieces)
        except asyncio.CancelledError:
            error = faults.body_broken_off()  # where it was not `close` that did
        except Exception as raised:
            error = raised
        self._pulling, self._room = False, None  # what follows is not to be cancelled
        if error is not None and not self._closed:
            self._fail(error)
        await _close(pieces)

    async def _pull(self, pieces: AsyncIterator[bytes]) -> None:
        self._pulling = True
        async for piece in pieces:
            self._pulling = False
            if self._closed:  # it took no notice of being cancelled
                return
            self._take(piece)
            await self._write()
            self._pulling = True
        self._pulling = False
        if not self._closed:
            self._end()

    def _take(self, piece: bytes) -> None:
        declared = self._declared_bytes
        self._given_bytes += len(piece)
        if declared is not None and self._given_bytes > declared:
            raise faults.long_body(declared)
        self._unsent = memoryview(piece)

    async def _write(self) -> None:
        room = self._room = asyncio.get_running_loop().create_future()
        if self._move_on():
            await asyncio.sleep(0)  # a body that is always at hand must not keep the loop to itself
        else:
            await room
        self._room = None

    def _end(self) -> None:
        declared = self._declared_bytes
        if declared is None:
            self._transport.write(b"0\r\n\r\n")
        elif self._given_bytes < declared:
            raise faults.short_body(self._given_bytes, declared)
        self._ended = True
        self._move_on()


async def _close(pieces: AsyncIterator[bytes] | None) -> None:
    close = getattr(pieces, "aclose", None)  # generators have one; iterators need none
    if close is not None:
        await close()
