"""An answer on its way to the caller: status, headers, the frames still to come, and what to do when they are done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from isthmus.core.chat.event import Event

Headers = list[tuple[bytes, bytes]]


class Reader(Protocol):
    """A provider's answer, chunk by chunk, to events. One reader an answer. `ended`: the event after which a stream
    says no more has been read."""

    @property
    def ended(self) -> bool: ...

    def feed(self, data: bytes) -> list[Event]: ...

    def close(self) -> list[Event]:
        """The answer's end. A whole answer's events come here. Raises `Interrupted` where the answer was cut short
        (no terminal event was seen), `Malformed` where it is not what the dialect says."""
        ...


class Frame:
    """Bytes as they came, and what they mean, decoded when first asked for. A plain relay never asks.

    The decoder has a memory: whoever asks for one frame's events asks for those of every frame of the answer, in
    order, the last one (which has no bytes) included.
    """

    __slots__ = ("_decoder", "_events", "data", "last")

    def __init__(self, data: bytes, decoder: Reader, *, last: bool = False) -> None:
        self.data = data
        self.last = last
        self._decoder = decoder
        self._events: list[Event] | None = None

    @property
    def events(self) -> list[Event]:
        if self._events is None:
            self._events = self._decoder.close() if self.last else self._decoder.feed(self.data)
        return self._events

    @property
    def ended(self) -> bool:
        """Whether the answer's last event was among those asked for so far."""
        return self._decoder.ended


class Filter(Protocol):
    """Takes out of a relayed stream what we asked for and the caller did not. It is fed whole events; `taken` is what
    it took out so far (usage, which the log row wants)."""

    taken: bytes

    def feed(self, chunk: bytes) -> bytes: ...

    def close(self) -> bytes: ...


class View(Protocol):
    """Changes a finished answer's bytes before they go out, whether they were relayed or written: as `stream`, whole
    events of one, or as a `whole` body."""

    def stream(self, events: bytes) -> bytes: ...

    def whole(self, body: bytes) -> bytes: ...


class Reply:
    """What a handler gives back. `body` holds an answer that is complete and in the caller's dialect already (an
    error, say), `pieces` the same where it is still to come, `length` bytes of it where that is known; otherwise
    `frames` are pulled, once, by the egress alone.

    `dialect` names what the frames are written in; `whole`: they make one JSON body, not a stream. `anew`: the caller
    asked for the other of the two, so that they cannot be relayed. `filter` applies where the frames are relayed.
    """

    __slots__ = (
        "_closed",
        "_closing",
        "_done",
        "anew",
        "body",
        "content_type",
        "dialect",
        "ending",
        "filter",
        "frames",
        "headers",
        "length",
        "pieces",
        "status",
        "view",
        "whole",
    )

    def __init__(
        self,
        status: int,
        *,
        content_type: bytes,
        dialect: str,
        whole: bool,
        frames: AsyncIterator[Frame] | None = None,
        body: bytes | None = None,
    ) -> None:
        self.status = status
        self.headers: Headers = []
        self.content_type = content_type
        self.dialect = dialect
        self.whole = whole
        self.frames = frames
        self.body = body
        self.anew = False
        self.pieces: AsyncIterator[bytes] | None = None
        self.length: int | None = None
        self.filter: Filter | None = None
        self.view: View | None = None
        self.ending: list[Callable[[], Awaitable[None]]] = []
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self._done: list[Callable[[], None]] = []
        self._closed = False

    def when_closed(self, callback: Callable[[], Awaitable[None]]) -> None:
        """What holds the provider's connection gives it back here, whether or not a frame was ever read."""
        self._closing.append(callback)

    def when_ending(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Awaited once where the answer ended well, before `done` and before the caller is given its last byte: what
        it keeps is there before anybody can ask for it. `call.answer` holds all of the answer then. Bounded in time,
        and what it raises is logged and harms nobody (`data_plane.send.before_end`)."""
        self.ending.append(callback)

    def when_done(self, callback: Callable[[], None]) -> None:
        """Runs once, in the order added, before the caller is given the last byte of the answer: what it writes
        is kept before anybody can have seen the end. Must not raise or wait."""
        self._done.append(callback)

    def done(self) -> None:
        callbacks, self._done = self._done, []
        for callback in callbacks:
            callback()

    async def aclose(self) -> None:
        """Closes the provider's connection, then runs what is still to be done. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            for callback in self._closing:
                await callback()
        finally:
            self.done()
