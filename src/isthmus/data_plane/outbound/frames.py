"""The frames of an answer, and the readers that give them their meaning when somebody asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

from isthmus.core.chat.event import Event
from isthmus.core.reply import Frame, Reader
from isthmus.providers.constrained_tools import CalledTools
from isthmus.wire.protocol import Dialect


class LateReader:
    """A dialect's reader, made when it is first needed: a relayed answer needs none."""

    __slots__ = ("_dialect", "_reader", "_whole")

    def __init__(self, dialect: Dialect, whole: bool) -> None:
        self._dialect = dialect
        self._whole = whole
        self._reader: Reader | None = None

    @property
    def ended(self) -> bool:
        return self._reader is not None and self._reader.ended

    def feed(self, data: bytes) -> list[Event]:
        if self._reader is None:
            self._reader = self._dialect.reader(self._whole)
        return self._reader.feed(data)

    def close(self) -> list[Event]:
        if self._reader is None:
            self._reader = self._dialect.reader(self._whole)
        return self._reader.close()


class ToolReader:
    """A reader whose answer was constrained to a tool call."""

    __slots__ = ("_called", "_reader")

    def __init__(self, reader: Reader, called: CalledTools) -> None:
        self._reader = reader
        self._called = called

    @property
    def ended(self) -> bool:
        return self._reader.ended

    def feed(self, data: bytes) -> list[Event]:
        return [made for event in self._reader.feed(data) for made in self._called.feed(event)]

    def close(self) -> list[Event]:
        return [made for event in self._reader.close() for made in self._called.feed(event)]


class Frames:
    """The frames of an answer. A class and not a generator, which asyncio would have to keep account of: 2 µs less.
    `opening`: the first one, where it has come already. `chunks`: what the others are made of."""

    __slots__ = ("_decoder", "_ended", "chunks", "opening")

    def __init__(self, opening: Frame | None, chunks: AsyncIterator[bytes], decoder: Reader) -> None:
        self.opening = opening
        self.chunks = chunks
        self._decoder = decoder
        self._ended = False

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> Frame:
        opening = self.opening
        if opening is not None:
            self.opening = None
            return opening
        if self._ended:
            raise StopAsyncIteration
        try:
            return Frame(await self.chunks.__anext__(), self._decoder)
        except StopAsyncIteration:
            self._ended = True
            return Frame(b"", self._decoder, last=True)
