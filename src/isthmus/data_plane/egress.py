"""Reply to caller: the one place where answers and errors leave. A call's row is kept before its last byte goes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import aclosing
from typing import Literal

from isthmus.core.call import Answer, Call
from isthmus.core.gateway import DEFAULT_ID
from isthmus.core.refusal import cut_short, note, refuse
from isthmus.core.reply import Reply
from isthmus.data_plane.gateway_host.passing import pass_through
from isthmus.data_plane.outgoing import STREAM, Outgoing, RelayedStream, RelayedWhole, Viewed, Written
from isthmus.data_plane.runs.file import RunHead
from isthmus.data_plane.runs.run import Answered, Run
from isthmus.data_plane.runs.store import RunStore
from isthmus.data_plane.send import Caller, EgressLimits, head, send_refusal, send_whole
from isthmus.data_plane.shape import shaped
from isthmus.data_plane.stream import Stream
from isthmus.errors import GatewayError, InternalError, Malformed
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect

logger = logging.getLogger("isthmus")


class Egress:
    """One a process; it holds nothing of a call. `resumable`: which streams are made runs."""

    def __init__(
        self,
        dialects: Mapping[str, Dialect],
        limits: EgressLimits,
        runs: RunStore | None = None,
        resumable: Literal["off", "asked", "all"] = "off",
    ) -> None:
        self._dialects = dialects
        self._limits = limits
        self._runs = None if resumable == "off" else runs
        self._all = resumable == "all"

    def deliver(self, call: Call, reply: Reply, caller: Caller) -> Coroutine[None, None, None]:
        """Sends the reply and always closes it, the caller hanging up included. A run as the caller is filled."""
        runs = self._runs
        if runs is None or not (self._all or call.options.resumable) or isinstance(caller, Run):
            return self._send(call, reply, caller)  # one coroutine the less on the way of every event
        return self._deliver_run(call, reply, caller, runs)

    async def _deliver_run(self, call: Call, reply: Reply, caller: Caller, runs: RunStore) -> None:
        run = self._begin(call, reply, runs)
        if run is None:
            await self._send(call, reply, caller)
            return
        making = runs.detach(self._record(call, reply, run, runs))
        run.driven(making, call)
        call.in_run = True
        await self._follow(call, run, making, caller)

    def _begin(self, call: Call, reply: Reply, runs: RunStore) -> Run | None:
        """Where this answer is a stream, and there can be a further run."""
        relays = self._relays(call, reply)
        if reply.frames is None or not call.stream or (relays and reply.whole):
            return None
        return runs.begin(
            RunHead(
                id=call.id,
                account_id=call.account_id,
                gateway_id=DEFAULT_ID if call.gateway is None else call.gateway.id,
                dialect=call.dialect or "",
                model=call.model,
                content_type=(reply.content_type if relays else STREAM).decode("latin-1"),
                created_at=call.started_at,
            )
        )

    async def _record(self, call: Call, reply: Reply, run: Run, runs: RunStore) -> None:
        """The answer into its run, whoever is there to read it."""
        failure: GatewayError | None = None
        try:
            await self._send(call, reply, run)
        except GatewayError as raised:
            failure = raised
        except Exception:
            logger.exception("call %s failed in its stream", call.id)
            failure = InternalError("The gateway failed to write this answer.")
        finally:
            error = failure or call.error or cut_short(call)
            if run.answer is None:
                refusal = refuse(call, error)
                await run.respond(refusal.status, head(call, refusal), refusal.body or b"")
            elif not run.ended:
                run.cut(runs.last_words(run, error))

    async def _follow(self, call: Call, run: Run, making: asyncio.Task[None], caller: Caller) -> None:
        """The run to the caller that began it. It may leave and come back, if it knows of the run by then."""
        answer: Answered | None = None
        async with aclosing(run.pieces()) as pieces:
            try:
                answer = await run.begun()
                if answer.body is not None:
                    await caller.respond(answer.status, answer.headers, answer.body)
                    return
                await caller.respond(answer.status, answer.headers, b"", True)
                async for piece in pieces:
                    await caller.pass_on(piece)
                await caller.pass_on(b"", False)
            except asyncio.CancelledError:
                if answer is None or not call.hung_up:
                    run.stop(left=call.hung_up)
                    await asyncio.wait((making,))  # the call is its own until its row is kept
                raise

    async def _send(self, call: Call, reply: Reply, caller: Caller) -> None:
        call.answer = Answer(self._limits.log_body_bytes)
        outgoing: Outgoing | None = None
        try:
            if reply.body is not None:
                await send_whole(call, reply, reply.body, caller)
                return
            if reply.pieces is not None:
                await pass_through(call, reply, reply.pieces, caller, self._limits)
                return
            outgoing = self._outgoing(call, reply)
            if outgoing.streams:
                await Stream(call, reply, outgoing, caller, self._limits).run()
            else:
                await self._collect(call, reply, outgoing, caller)
        except asyncio.CancelledError:
            if call.end is None:
                failure = None
                if outgoing is not None:
                    outgoing.settle()
                    failure = outgoing.failure
                note(call, failure or cut_short(call))  # who was told of an error leaves because of it
            raise
        finally:
            await reply.aclose()

    def _outgoing(self, call: Call, reply: Reply) -> Outgoing:
        outgoing = self._plain(call, reply)
        return outgoing if reply.view is None else Viewed(outgoing, reply.view)

    def _plain(self, call: Call, reply: Reply) -> Outgoing:
        dialect = self._dialects[call.dialect or ""]
        if self._relays(call, reply):
            return RelayedWhole(call, dialect) if reply.whole else RelayedStream(call, dialect, reply.filter)
        if call.chat is None:
            assert isinstance(call.body, Body)
            call.chat = dialect.read_request(call.body)
        return Written(call, dialect, call.chat)

    @staticmethod
    def _relays(call: Call, reply: Reply) -> bool:
        return reply.dialect == call.dialect and call.target is not None and call.target.relay and not reply.anew

    async def _collect(self, call: Call, reply: Reply, outgoing: Outgoing, caller: Caller) -> None:
        try:
            body = await self._collected(reply, outgoing)
        except GatewayError as error:
            await send_refusal(call, reply, error, caller)
            return
        except Exception:
            logger.exception("call %s failed in its answer", call.id)
            await send_refusal(call, reply, InternalError("The gateway failed to write this answer."), caller)
            return
        assert call.target is not None
        call.end = "completed"
        reply.content_type = outgoing.content_type or reply.content_type
        await send_whole(call, reply, shaped(call, call.target, body), caller)

    async def _collected(self, reply: Reply, outgoing: Outgoing) -> bytes:
        size = 0
        parts: list[bytes] = []
        assert reply.frames is not None
        async for frame in reply.frames:
            size += len(frame.data)
            if size > self._limits.answer_max_bytes:
                raise Malformed(f"The provider's answer is over {self._limits.answer_max_bytes} bytes.")
            parts.append(outgoing.write(frame))
            if outgoing.ended:  # a stream, gathered: its provider need not have closed it
                break
        parts.append(outgoing.close())
        return b"".join(parts)
