"""Reply to caller: the one place where answers and errors leave. A call's row is kept before its last byte goes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from isthmus.core.call import Answer, Call
from isthmus.core.refusal import cut_short, note
from isthmus.core.reply import Reply
from isthmus.data_plane.outgoing import Outgoing, RelayedStream, RelayedWhole, Written
from isthmus.data_plane.send import Caller, EgressLimits, send_refusal, send_whole
from isthmus.data_plane.shape import shaped
from isthmus.data_plane.stream import Stream
from isthmus.errors import GatewayError, InternalError, Malformed
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect

logger = logging.getLogger("isthmus")


class Egress:
    """One a process; it holds nothing of a call."""

    def __init__(self, dialects: Mapping[str, Dialect], limits: EgressLimits) -> None:
        self._dialects = dialects
        self._limits = limits

    async def deliver(self, call: Call, reply: Reply, caller: Caller) -> None:
        """Sends the reply and always closes it, the caller hanging up included."""
        call.answer = Answer(self._limits.log_body_bytes)
        outgoing: Outgoing | None = None
        try:
            if reply.body is not None:
                await send_whole(call, reply, reply.body, caller)
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
        dialect = self._dialects[call.dialect or ""]
        target = call.target
        if reply.dialect == call.dialect and target is not None and target.relay:
            return RelayedWhole(call, dialect) if reply.whole else RelayedStream(call, dialect, reply.filter)
        if call.chat is None:
            assert isinstance(call.body, Body)
            call.chat = dialect.read_request(call.body)
        return Written(call, dialect, call.chat)

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
