"""One run: a streamed answer on its way from the task that makes it to all who read it, by a file in between."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Protocol

import msgspec

from isthmus.clock import Clock
from isthmus.core.reply import Headers
from isthmus.data_plane.runs.file import RunFile, RunHead
from isthmus.wire.framing.sse import event_ends

READ_BYTES = 64 * 1024
RUN_ID = b"cf-aig-run-id"

logger = logging.getLogger("isthmus")


class Leavable(Protocol):
    """The call whose answer a run is."""

    caller_left: bool

    def leave(self) -> bool:
        """Nobody reads it any more. Whether it is to be cancelled."""
        ...


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The head of the answer. `body`: all of it, where it is a refusal and no run."""

    status: int
    headers: Headers
    body: bytes | None = None


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """`max_bytes`: beyond them a run is not kept. `stops`: it ends when nobody reads it any more."""

    max_bytes: int
    stops: bool


class Run:
    """The `Caller` of the task that makes the answer (`data_plane.send`). It never waits for those who read, as long
    as it is kept: what it is given is in the file before anybody can read it.

    A run that outgrows its bytes, or that the disk does not take, is not `kept` any more: it cannot be found again,
    and who reads it now goes on at the pace of the slowest; when the last of them leaves, its call ends as left.

    `ended`: no more will come. `answer` None: its head is not known yet. `size`: bytes that can be read so far.
    """

    def __init__(self, file: RunFile, manner: Manner, clock: Clock, changed: Callable[[Run], None]) -> None:
        self.head: RunHead = file.head
        self.answer: Answered | None = None
        self.ended = file.ended_at is not None
        self.kept = True
        self.size = file.size
        self.news = _Bell()  # rung when there is more to read
        self.taken = _Bell()  # rung when a reader asks for more, or leaves
        self._file = file
        self._manner = manner
        self._clock = clock
        self._changed = changed  # told when `kept` or `ended` has
        self._piece = b""  # the last of what is not in the file
        self._readers: set[Pieces] = set()
        self._task: asyncio.Task[None] | None = None
        self._call: Leavable | None = None

    def driven(self, task: asyncio.Task[None], call: Leavable) -> None:
        """By `task`, for `call`: what `stop` stops."""
        self._task, self._call = task, call

    async def respond(self, status: int, headers: Headers, body: bytes, more_body: bool = False) -> None:
        if status >= 400:  # an error in the answer's place: there is nothing to come back for
            self.answer = Answered(status=status, headers=headers, body=body)
            self._let_go()
            self._end()
            return
        if self.kept:
            headers = [*headers, (RUN_ID, self.head.id.encode())]
        self.answer = Answered(status=status, headers=headers)
        await self.pass_on(body, more_body)

    async def pass_on(self, body: bytes, more_body: bool = True) -> None:
        if self.kept and not self._recorded(body, more_body):
            self._let_go()
        if not self.kept and body:
            await self._hand_over(body)
        if more_body:
            self.news.ring()
        else:
            self._end()

    async def begun(self) -> Answered:
        while self.answer is None:
            await self.news.wait()
        return self.answer

    def pieces(self, offset: int = 0) -> Pieces:
        """What is there from this byte on, then what comes, until the end; whole events at a time. Close it
        (`contextlib.aclosing`, or `reply.when_closed(pieces.aclose)`): from now on it counts as a reader."""
        self._file.reopen()
        reader = Pieces(self, offset)
        self._readers.add(reader)
        return reader

    def cut(self, last_words: bytes) -> None:
        """The end of one that was broken off: `last_words` tell so in-band. Does nothing where it ended by itself."""
        if self.ended:
            return
        if not (self.kept and self._recorded(last_words, False)):
            self._let_go()
            self._piece += last_words
            self.size += len(last_words)
        self._end()

    def stop(self, left: bool) -> None:
        """Ends the task that drives it, once. `left`: because nobody is there to read the answer, not because the
        gateway stops."""
        task, self._task = self._task, None
        if task is not None and self._call is not None and not self.ended:
            self._call.caller_left = False
            if not left or self._call.leave():
                task.cancel()

    def read(self, offset: int, most: int) -> bytes:
        """`most` bytes from `offset` on, or what there is of them in one place."""
        if offset < self._file.size:
            return self._file.read(offset, most)
        return self._piece[offset - (self.size - len(self._piece)) :]

    def leave(self, reader: Pieces) -> None:
        self._readers.discard(reader)
        self.taken.ring()
        if self._readers:
            return
        if self.ended:
            self._file.close()
        elif self._manner.stops or not self.kept:
            self.stop(left=True)

    def _recorded(self, data: bytes, more: bool) -> bool:
        file = self._file
        if file.size + len(data) > self._manner.max_bytes:
            return False
        try:
            file.append(data, None if more else self._clock.now())
        except OSError as error:
            logger.warning("run %s cannot be resumed: its file cannot be written: %s", self.head.id, error.strerror)
            return False
        self.size = file.size
        return True

    async def _hand_over(self, piece: bytes) -> None:
        """From hand to hand, where no file takes it."""
        while any(reader.taken < self.size for reader in self._readers):
            await self.taken.wait()
        if not self._readers:
            self.stop(left=True)
        self._piece = piece
        self.size += len(piece)

    def _let_go(self) -> None:
        self.kept = False
        self._changed(self)

    def _end(self) -> None:
        self.ended = True
        self._changed(self)
        if not self._readers:
            self._file.close()
        self.news.ring()


class Pieces(AsyncIterator[bytes]):
    """One reader of a run. `taken`: the byte up to which it is done with what it was given."""

    def __init__(self, run: Run, offset: int) -> None:
        self.taken = offset
        self._run = run
        self._offset = offset

    async def __anext__(self) -> bytes:
        run = self._run
        self.taken = self._offset
        run.taken.ring()
        while self._offset >= run.size:
            if run.ended:
                raise StopAsyncIteration
            await run.news.wait()
        piece = self._whole()
        self._offset += len(piece)
        return piece

    async def skip(self, blocks: int) -> bool:
        """Past so many events (any blocks that a blank line ends). False where there are not so many."""
        most = READ_BYTES
        while blocks:
            window = self._run.read(self._offset, most)
            ends = list(islice(event_ends(window), blocks))
            if ends:
                self._offset += ends[-1]
                blocks -= len(ends)
                most = READ_BYTES
            elif len(window) < most:
                return False
            else:
                most *= 2
            await asyncio.sleep(0)  # a long run takes milliseconds: others get their turns
        return True

    async def aclose(self) -> None:
        """Again does nothing."""
        self._run.leave(self)

    def _whole(self) -> bytes:
        run, most = self._run, READ_BYTES
        while True:
            data = run.read(self._offset, most)
            if len(data) < most or self._offset + len(data) >= run.size:
                return data
            ends = deque(event_ends(data), maxlen=1)
            if ends:
                return data[: ends[0]]
            most *= 2


class _Bell:
    """Wakes all who wait, each time that it rings, in the order in which they came."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], None] = {}

    def ring(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def wait(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        try:
            await future
        finally:
            self._waiting.pop(future, None)
