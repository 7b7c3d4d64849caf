"""One call to a provider, and all who wait for the same answer.

The call that asks is the leader. Others that ask for the same meanwhile follow: they are given what comes, piece by
piece (`shared`), and cost nothing. The leader's row bears the usage, so that it goes on to the end where its caller
leaves and others are waiting (`Call.held`); where nobody is left it is cancelled as any other.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from typing import Literal

import msgspec

from isthmus.core.caching.use import CacheStatus
from isthmus.core.call import Call
from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.usage import Usage
from isthmus.core.reply import Headers
from isthmus.data_plane.caching.shared import Pieces, Room, SharedAnswer
from isthmus.errors import GatewayError, InternalError, TimedOut, UpstreamError


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an answer before its first piece. `kind` says what the pieces are: a provider's answer in
    `dialect`, bytes that pass unread, or one finished body. `cache_status`: where it came from. `models`: by each of
    these names a token may be let to have it. `constrained`: its JSON stands for a tool call. `error`: it is a
    provider's refusal."""

    kind: Literal["frames", "pieces", "body"]
    status: int
    content_type: bytes
    dialect: str
    whole: bool
    headers: Headers = []
    length: int | None = None
    cache_status: CacheStatus = "MISS"
    models: tuple[str, ...] = ()
    told: dict[bytes, bytes] = {}
    notes: tuple[Note, ...] = ()
    constrained: bool = False
    usage: Usage | None = None
    finish_reason: str | None = None
    error: GatewayError | None = None


class Flight:
    """`max_bytes`: a longer answer nobody may join any more. `no_more` is called once, when nobody may."""

    def __init__(self, max_bytes: int, room: Room, no_more: Callable[[], None]) -> None:
        self.head: Head | None = None
        self.answer = SharedAnswer(max_bytes, room, self._close_door, self._someone_left)
        self._no_more: Callable[[], None] | None = no_more
        self._leader: Call | None = None
        self._reader: Pieces | None = None  # the leader's
        self._task: asyncio.Task[object] | None = None
        self._waiting: dict[asyncio.Future[Pieces | None], Call] = {}  # the first come first

    def lead(self, call: Call) -> None:
        """From here on this call asks for all."""
        self._leader, self._task = call, asyncio.current_task()
        call.held = self._goes_on

    async def join(self, call: Call) -> Pieces | None:
        """The call's own reader, once the head is known; None where it is this call's turn to lead. Raises what the
        leader met where that is the provider's doing, and so everybody's; `TimedOut` where the head takes longer than
        the call wants to wait."""
        if self.head is not None:
            return self.answer.reader(call, False)
        patience = call.options.request_timeout_seconds
        if patience is None:
            return await self._awaited(call)
        try:
            async with asyncio.timeout(patience):
                return await self._awaited(call)
        except TimeoutError:
            raise TimedOut(f"The provider did not begin to answer within {patience:g} seconds.") from None

    async def _awaited(self, call: Call) -> Pieces | None:
        place: asyncio.Future[Pieces | None] = asyncio.get_running_loop().create_future()
        self._waiting[place] = call
        try:
            return await place
        except asyncio.CancelledError:
            self._give_up(place)
            raise

    def failed(self, error: BaseException) -> None:
        """The leader has no answer. What the provider did is told to all who wait; what was the leader's own (a limit,
        little patience, a caller who left) is not theirs, and the next of them leads."""
        self._release()
        if not isinstance(error, UpstreamError | InternalError) or self._was_hurried(error):
            self._hand_over()
            return
        self._over()
        for place in self._waiting:
            if not place.done():
                place.set_exception(copy.copy(error))
        self._waiting.clear()

    def begin(self, head: Head, source: AsyncIterator[bytes] | None, opening: bytes | None) -> Pieces:
        """The leader's own reader. `opening` is the first piece; without a `source` it is the last one too."""
        assert self._leader is not None
        answer = self.answer
        self.head = head
        answer.source = source
        if opening is not None:
            answer.add(opening)
        answer.complete = source is None
        for place, call in self._waiting.items():
            if not place.done():
                place.set_result(answer.reader(call, False))
        self._waiting.clear()
        self._reader = answer.reader(self._leader, True)
        return self._reader

    def ended(self, error: GatewayError | None) -> None:
        """The leader is through; `error`: what it ended with. Its connection to the provider closes."""
        self._release()
        self._over()
        self.answer.end(error)

    def _goes_on(self) -> bool:
        """Where the leader's caller has left. Whoever comes between that and the end of its task joins no more."""
        awaited = self._is_awaited()
        if not awaited:
            self._close_door()
        return awaited

    def _is_awaited(self) -> bool:
        """Whether somebody beside the leader waits for what it does."""
        return bool(self._waiting) or any(reader.call is not self._leader for reader in self.answer.readers)

    def _was_hurried(self, error: BaseException) -> bool:
        """Whether the leader's caller would not wait as long as others would."""
        leader = self._leader
        return isinstance(error, TimedOut) and leader is not None and leader.options.request_timeout_seconds is not None

    def _give_up(self, place: asyncio.Future[Pieces | None]) -> None:
        """Whoever waited has left, with what it may have been given meanwhile."""
        self._waiting.pop(place, None)
        if place.done() and not place.cancelled() and place.exception() is None:
            reader = place.result()
            if reader is None:
                self._hand_over()
            else:
                self.answer.leave(reader)
        self._someone_left()

    def _someone_left(self) -> None:
        """A leader that went on for others only is cancelled with the last of them, unless the rest is here: then it
        ends by itself, and what its row says is all there."""
        leader, task = self._leader, self._task
        if leader is None or task is None or not leader.caller_left or self._is_awaited():
            return
        if self._reader is None or self._reader.is_waiting():
            self._release()
            self._close_door()
            task.cancel()

    def _hand_over(self) -> None:
        """The next who waits leads; where there is none, the flight is over."""
        while self._waiting:
            place = next(iter(self._waiting))
            del self._waiting[place]
            if not place.done():
                place.set_result(None)
                return
        self._over()

    def _over(self) -> None:
        """Nobody leads, or will."""
        self._close_door()
        self.answer.let_be()

    def _release(self) -> None:
        if self._leader is not None:
            self._leader.held = None
        self._task = None

    def _close_door(self) -> None:
        """Nobody joins from here on, so that nothing has to be kept for them."""
        if self._no_more is not None:
            self.answer.give_back()
            self._no_more()
            self._no_more = None
