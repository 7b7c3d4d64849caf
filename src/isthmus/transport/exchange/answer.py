"""One answer as its caller holds it: the head, and the chunks of the body that have come and not been read."""

from __future__ import annotations

import asyncio
from typing import Protocol

from isthmus.transport import faults


class Source(Protocol):
    """The connection that an answer still comes from."""

    def read_on(self) -> None: ...

    def abort(self) -> None: ...


class Answer:
    """An `UpstreamResponse`. The connection fills it and lets go of it at its end or at an error; chunks wait in
    `unread` while nobody waits. Several that wait are joined: one is cheaper to pass on than ten.
    `stale`: a connection that had been used before was closed without a byte; the request may be sent once more.
    `uploading`: what pulls a streamed body; it is over before `aclose` returns."""

    __slots__ = (
        "_loop",
        "_waiter",
        "ended",
        "error",
        "headers",
        "paused",
        "source",
        "stale",
        "status",
        "unread",
        "unread_bytes",
        "uploading",
    )

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.source: Source | None = source
        self.status = 0
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self.unread: list[bytes] = []
        self.unread_bytes = 0
        self._waiter: asyncio.Future[bytes] | None = None
        self.ended = self.paused = self.stale = False
        self.error: Exception | None = None
        self.uploading: asyncio.Task[None] | None = None

    @property
    def complete(self) -> bool:
        """The body has ended properly, and all of it has been handed out."""
        return self.ended and not self.unread

    def header(self, name: bytes) -> bytes | None:
        for own_name, value in self.headers:
            if own_name == name:
                return value
        return None

    def chunks(self) -> Answer:
        return self

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> bytes:
        if self.unread:
            return self._take()
        if not self.ended and self.error is None:
            waiter: asyncio.Future[bytes] = self._loop.create_future()
            self._waiter = waiter
            try:
                chunk = await waiter
            except asyncio.CancelledError:
                await self.aclose()
                raise
            if chunk:
                return chunk
        if self.error is not None:
            raise self.error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self.source is not None:
            self.drop()
        if self.uploading is not None and not self.uploading.done():
            await asyncio.wait((self.uploading,))

    async def wait_for_head(self) -> None:
        """Until `status` or `error` is there. Who leaves while waiting, here or for a chunk, leaves for good: the
        connection is closed at once."""
        if self.error is not None:
            return
        waiter: asyncio.Future[bytes] = self._loop.create_future()
        self._waiter = waiter
        try:
            await waiter
        except asyncio.CancelledError:
            await self.aclose()
            raise

    def wake(self, chunk: bytes) -> bool:
        """Hands a chunk, or the empty one for any other news, to whoever waits; False where nobody does."""
        waiter = self._waiter
        if waiter is None:
            return False
        self._waiter = None
        if not waiter.done():
            waiter.set_result(chunk)
        return True

    def fail(self, error: Exception, *, stale: bool) -> None:
        self.source = None
        self.error = error
        self.stale = stale
        self.wake(b"")

    def drop(self) -> None:
        source, self.source = self.source, None
        if source is not None:
            self.error = faults.left_unread()
            source.abort()
            self.wake(b"")  # another task may be waiting for a chunk

    def _take(self) -> bytes:
        unread = self.unread
        chunk = unread[0] if len(unread) == 1 else b"".join(unread)
        unread.clear()
        self.unread_bytes = 0
        if self.paused and self.source is not None:
            self.paused = False
            self.source.read_on()
        return chunk
