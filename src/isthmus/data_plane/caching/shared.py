"""An answer on its way, and several who read it, each at its own pace.

There is no task beside the calls: whoever needs the next piece and finds nobody at it takes it from the provider. A
slow reader keeps nobody up, and one who is alone pays next to nothing.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable

from isthmus.core.call import Call
from isthmus.errors import GatewayError, Interrupted

SMALL_BYTES = 64 * 1024
"""As much of each answer is kept even where others take up all the room."""


class Room:
    """Bytes of answers on their way that are kept so that others may join, all of them together."""

    __slots__ = ("most", "used")

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0


class SharedAnswer:
    """`max_bytes`: so much is `kept` from the beginning on. A longer answer is let go of, piece by piece, when all have
    read it, and those who read it go at the pace of the slowest. `outgrown` is called when it comes to that; `left`
    when a reader is no more."""

    def __init__(self, max_bytes: int, room: Room, outgrown: Callable[[], None], left: Callable[[], None]) -> None:
        self.pieces: list[bytes] = []
        self.first = 0  # the number of the first piece that is still here
        self.kept = True
        self.complete = False
        self.error: GatewayError | None = None
        self.source: AsyncIterator[bytes] | None = None
        self.puller: Pieces | None = None
        self.readers: set[Pieces] = set()
        self._size = 0
        self._counts = True
        self._max_bytes = max_bytes
        self._room = room
        self._outgrown = outgrown
        self._left = left
        self.news: list[asyncio.Future[None]] = []  # who waits for any

    def reader(self, call: Call, leads: bool) -> Pieces:
        """`leads`: the call is held by the flight as a whole; any other is, while it takes a piece for all."""
        reader = Pieces(self, call, leads)
        self.readers.add(reader)
        if not leads:
            call.held = reader.is_awaited
        return reader

    def add(self, data: bytes) -> None:
        self.pieces.append(data)
        if self._counts:
            room, length = self._room, len(data)
            self._size += length
            room.used += length
            if self._size > self._max_bytes or (room.used > room.most and self._size > SMALL_BYTES):
                self.kept = False
                self._outgrown()

    def give_back(self) -> None:
        """The room that it took: nobody joins any more."""
        self._room.used -= self._size
        self._counts = False

    def let_be(self) -> None:
        """Tells nobody any more. Whoever is told holds this answer: two that hold each other stay, with all that they
        hold, until the garbage collector comes by."""
        self._outgrown = self._left = _nothing

    def end(self, error: GatewayError | None) -> None:
        if not self.complete and self.error is None:
            self.error = error
            self.complete = error is None
        self.ring()

    def let_go(self) -> None:
        """Of what every reader has had."""
        end = self.first + len(self.pieces)
        had = min((reader.number for reader in self.readers), default=end)
        if had > self.first:
            del self.pieces[: had - self.first]
            self.first = had
            self.ring()

    def leave(self, reader: Pieces) -> None:
        self.readers.discard(reader)
        if not self.kept:
            self.let_go()
        self._left()

    async def wait(self) -> None:
        """For a piece, for the end, or for somebody slower."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.news.append(news)
        await news

    def ring(self) -> None:
        news, self.news = self.news, []
        for each in news:
            if not each.done():
                each.set_result(None)


class Pieces:
    """One reader's place: an async iterator of bytes. Close it. `number`: of the next piece."""

    __slots__ = ("_answer", "_leads", "call", "number")

    def __init__(self, answer: SharedAnswer, call: Call, leads: bool) -> None:
        self._answer = answer
        self._leads = leads
        self.call = call
        self.number = 0

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        answer = self._answer
        while self.number >= answer.first + len(answer.pieces):
            if answer.complete:
                raise StopAsyncIteration
            if answer.error is not None:
                raise copy.copy(answer.error)  # each adds its own words to it
            if answer.puller is None and (answer.kept or not self._is_ahead()):
                await self._pull()
            else:
                await answer.wait()
        data = answer.pieces[self.number - answer.first]
        self.number += 1
        if not answer.kept:
            answer.let_go()
        return data

    async def aclose(self) -> None:
        self._answer.leave(self)

    def is_awaited(self) -> bool:
        """Whether its call must not be cancelled now: it is about to take a piece for others too."""
        return self._answer.puller is self and len(self._answer.readers) > 1

    def is_waiting(self) -> bool:
        """Whether it has had all that came, and more will come."""
        answer = self._answer
        return not answer.complete and self.number >= answer.first + len(answer.pieces)

    def _is_ahead(self) -> bool:
        return any(other.number < self.number for other in self._answer.readers)

    async def _pull(self) -> None:
        answer = self._answer
        assert answer.source is not None
        if self.call.caller_left and self._leads and len(answer.readers) == 1:
            raise asyncio.CancelledError  # the others, for whose sake it stayed, have left as well
        answer.puller = self
        try:
            answer.add(await answer.source.__anext__())
        except StopAsyncIteration:
            answer.complete = True
        except GatewayError as error:
            answer.error = answer.error or error
        except BaseException:
            answer.error = answer.error or Interrupted("The call that this answer came by was ended.")
            raise
        finally:
            answer.puller = None
            if answer.news:
                answer.ring()
        if self.call.caller_left and not self._leads:
            raise asyncio.CancelledError  # it stayed so long for the others' sake


def _nothing() -> None:
    """Nobody is told."""
