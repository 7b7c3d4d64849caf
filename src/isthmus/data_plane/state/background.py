"""`background: true`: the answer is made without the caller, who asks for it later, or follows its events."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable

from isthmus.core.call import Call
from isthmus.core.refusal import cut_short, note, refuse
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler
from isthmus.core.state import Reach
from isthmus.data_plane.runs.file import RunHead
from isthmus.data_plane.runs.run import Run
from isthmus.data_plane.runs.store import RunStore
from isthmus.data_plane.send import Caller
from isthmus.data_plane.state.events import Followed
from isthmus.data_plane.state.keeper import Keeper
from isthmus.data_plane.state.turn import Turn
from isthmus.errors import Busy, CallerLeft, GatewayError, InternalError
from isthmus.policies.authenticate import check_model
from isthmus.wire.body import Body
from isthmus.wire.openai_responses.state import unfinished
from isthmus.wire.openai_responses.state.view import has_ended

logger = logging.getLogger("isthmus")

END_SECONDS = 10.0
"""For a response to be in the store that was cancelled, or of which there are no more events."""

MENDED_AT_ONCE = 100
EVENTS = "text/event-stream; charset=utf-8"
CANCELLED = "The response was cancelled."

Deliver = Callable[[Call, Reply, Caller], Awaitable[None]]


class Detached(Reply):
    """What a caller is given of a call that goes on: given or not, the call is not over, and its row waits."""

    __slots__ = ("_is_over",)

    def __init__(self, content_type: bytes, dialect: str) -> None:
        super().__init__(200, content_type=content_type, dialect=dialect, whole=True)
        self._is_over = False

    def when_done(self, callback: Callable[[], None]) -> None:
        if self._is_over:
            callback()
        else:
            super().when_done(callback)

    def done(self) -> None:
        """Nothing is, yet."""

    def over(self) -> None:
        self._is_over = True
        super().done()


class Work:
    """One response that is being made. `call` is a copy of the caller's: that is answered already."""

    def __init__(self, call: Call, turn: Turn, queued: bytes) -> None:
        self.call = call
        self.turn = turn
        self.ended = asyncio.Event()
        self.cancelled = False
        self.run: Run | None = None
        self._queued = queued
        self._end = queued

    def last_words(self) -> bytes:
        """The events of one that ended before there were any."""
        return unfinished.told(self._queued, self._end)

    def end(self, response: bytes) -> None:
        self._end = self.turn.view.visible(response)

    def response(self) -> bytes:
        """The response object as it is now."""
        return self.turn.view.response or self._queued

    def shown(self) -> bytes:
        return self.turn.view.visible(self.response())


class Backgrounds:
    """`deliver` gives an answer to its run (`Egress.deliver`). As many as `RunStore` bounds its runs to."""

    def __init__(self, keeper: Keeper, runs: RunStore, deliver: Deliver) -> None:
        self._keeper = keeper
        self._runs = runs
        self._deliver = deliver
        self._works: dict[tuple[str, str], Work] = {}

    async def begin(self, call: Call, turn: Turn, call_next: Handler) -> Reply:
        """Raises `Busy` where there are as many as there may be, `InternalError` where the store does not answer,
        `NotFound` and `Forbidden` for the model: who may ask for the answer later is known by it."""
        assert isinstance(call.body, Body) and call.dialect is not None
        call.target = call.snapshot.models_of(call.account_id).resolve(call.model, call.dialect)
        check_model(call.token, *call.model_names)
        queued = turn.view.whole(unfinished.queued(call.body, int(call.started_at)))
        turn.view.response = None
        own = copy.copy(call)
        own.in_run = True
        own.stream = True  # upstream too: events come as they are made, and it can be stopped
        own.body = Body(call.body.changed({"stream": b"true"}))
        work = Work(own, turn, queued)
        try:
            await self._keeper.waited(self._keeper.states.responses.put(*turn.stored(queued)))
        except asyncio.CancelledError:  # it would be queued for good: the caller left, and nobody knows of it
            await self._keeper.waited(self._remove(turn))
            raise
        front = Detached(EVENTS.encode() if call.stream else b"application/json", call.dialect)
        run = self._runs.begin(_head_of(own), background=True)
        if run is None:
            await self._keeper.waited(self._remove(turn))
            raise Busy("Capacity temporarily exceeded: too many responses run in the background.", retry_after=5)
        work.run = run
        self._works[own.account_id, turn.response_id] = work
        run.driven(self._runs.detach(self._make(work, run, call, front, call_next)), own)
        if call.stream:
            front.pieces = followed = Followed(run.pieces(), work.last_words)
            front.when_closed(followed.aclose)
        else:
            front.body = queued
        return front

    def find(self, account_id: str, response_id: str) -> Work | None:
        """One that is being made."""
        return self._works.get((account_id, response_id))

    async def current(self, account_id: str, response_id: str) -> Work | None:
        """The same; None where its end is in the store, for which it waits where it has ended: whoever is told of the
        end can go on from it, and finds its row."""
        work = self.find(account_id, response_id)
        if work is None or work.run is None or not (work.run.ended or has_ended(work.response())):
            return work
        await self._until_ended(work)
        return None

    def run_of(self, account_id: str, run_id: str) -> Run | None:
        return self._runs.find(account_id, run_id)

    def forget_run(self, account_id: str, run_id: str) -> None:
        """What was deleted is not to be read by its events either."""
        self._runs.discard(account_id, run_id)

    async def cancel(self, work: Work) -> None:
        """Stops its provider; ended when it returns, or soon."""
        work.cancelled = True
        if work.run is not None:
            work.run.stop(left=True)
        await self._until_ended(work)

    async def mend(self) -> None:
        """At a start: what was being made when the server stopped has failed."""
        error = InternalError("The gateway was stopped before the end of this response.", status=503)
        responses = self._keeper.states.responses
        while found := await responses.running(MENDED_AT_ONCE):
            for stored in found:
                await responses.end(stored, "failed", unfinished.failed(stored.body, error))

    async def _make(self, work: Work, run: Run, call: Call, front: Detached, call_next: Handler) -> None:
        own = work.call

        def over() -> None:
            """The row, which waits for it, is of the caller's own call."""
            for name in Call.__slots__:
                setattr(call, name, getattr(own, name))
            front.over()
            if work.turn.was_kept:  # all there is to wait for: the provider may hold its connection a little longer
                work.ended.set()

        try:
            reply = await call_next(own)
            reply.when_done(over)  # before anybody can see the end
            if reply.frames is not None:
                work.turn.watch(reply)
            await self._deliver(own, reply, run)
        except GatewayError as error:
            refuse(own, error)
        except Exception:
            logger.exception("call %s failed in the background", own.id)
        finally:
            await self._end(work, run, over)

    async def _end(self, work: Work, run: Run, over: Callable[[], None]) -> None:
        """However it ended, it is kept so, it has its row, and whoever follows it is told."""
        error = work.call.error or cut_short(work.call)
        if work.call.end is None:
            note(work.call, error)
        try:
            if not work.turn.was_kept:
                response = work.response()
                if not has_ended(response):
                    response = unfinished.cancelled(response) if work.cancelled else unfinished.failed(response, error)
                work.end(response)
                await self._keeper.keep(work.call, *work.turn.stored(response))
        finally:
            over()
            del self._works[work.call.account_id, work.turn.response_id]
            work.ended.set()
            if run.answer is None:
                await run.respond(200, [], work.last_words())
            elif not run.ended:
                run.cut(self._runs.last_words(run, CallerLeft(CANCELLED) if work.cancelled else error))

    async def _until_ended(self, work: Work) -> None:
        try:
            async with asyncio.timeout(END_SECONDS):
                await work.ended.wait()
        except TimeoutError:
            logger.error("the response %s does not end", work.turn.response_id)

    async def _remove(self, turn: Turn) -> None:
        reach, now = Reach(account_id=turn.account_id), self._keeper.clock.now()
        await self._keeper.states.responses.remove(reach, turn.response_id, now)


def _head_of(call: Call) -> RunHead:
    return RunHead(
        id=call.id,
        account_id=call.account_id,
        gateway_id="" if call.gateway is None else call.gateway.id,
        dialect=call.dialect or "",
        model=call.model,
        content_type=EVENTS,
        created_at=call.started_at,
    )
