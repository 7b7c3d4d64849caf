"""One streamed answer on its way out: headers with the first event, in-band errors, keep-alives in silence."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator

from isthmus.core.call import Call
from isthmus.core.refusal import break_off
from isthmus.core.reply import Frame, Reply
from isthmus.data_plane.outgoing import Outgoing
from isthmus.data_plane.send import Caller, EgressLimits, before_end, head, send_refusal
from isthmus.errors import GatewayError, InternalError, Malformed

logger = logging.getLogger("isthmus")


class Stream:
    """Pulls the reply's frames and sends them. Bytes leave at event boundaries only, so that a keep-alive between two
    sends breaks no event."""

    __slots__ = (
        "_background",
        "_begun",
        "_call",
        "_caller",
        "_last_sent",
        "_limits",
        "_outgoing",
        "_reply",
        "_settled",
    )

    def __init__(self, call: Call, reply: Reply, outgoing: Outgoing, caller: Caller, limits: EgressLimits) -> None:
        self._call = call
        self._reply = reply
        self._outgoing = outgoing
        self._caller = caller
        self._limits = limits
        self._begun = False
        self._settled = False
        self._last_sent = time.monotonic()
        self._background: asyncio.TimerHandle | asyncio.Task[None] | None = None

    async def run(self) -> None:
        outgoing = self._outgoing
        call, reply = self._call, self._reply
        assert reply.frames is not None
        call.status = reply.status
        call.content_type = reply.content_type = outgoing.content_type or reply.content_type
        self._watch()
        try:
            async with asyncio.timeout(self._limits.stream_max_seconds):
                await self._pull(reply.frames)
            await self._pass(outgoing.close(), final=True)
        except TimeoutError:
            seconds = self._limits.stream_max_seconds
            await self._fail(Malformed(f"The provider's answer took over {seconds:g} seconds."))
        except GatewayError as error:
            await self._fail(error)
        except Exception:
            logger.exception("call %s failed in its stream", self._call.id)
            await self._fail(InternalError("The gateway failed in the middle of this answer."))
        finally:
            if self._background is not None:
                self._background.cancel()

    async def _pull(self, frames: AsyncIterator[Frame]) -> None:
        outgoing, call = self._outgoing, self._call
        size, most = 0, self._limits.stream_max_bytes
        async for frame in frames:
            size += len(frame.data)
            if size > most:
                raise Malformed(f"The provider's answer is over {most} bytes.")
            data = outgoing.write(frame)
            if not data:
                continue
            if self._begun and not outgoing.ended:  # nearly always: `_pass` without its questions
                call.answer.add(data)
                self._last_sent = time.monotonic()
                await self._caller.pass_on(data)
            else:
                await self._pass(data)

    async def _pass(self, data: bytes, final: bool = False) -> None:
        call = self._call
        if data:
            call.answer.add(data)
        if self._outgoing.ended and not self._settled:
            await self._settle()
        self._last_sent = time.monotonic()
        if self._begun:
            await self._caller.pass_on(data, not final)
        else:
            await self._begin(data, not final)

    async def _settle(self) -> None:
        """All of the answer is here: its row is kept before the caller can have seen its end. The provider may hold
        its connection a little longer, not for ever."""
        self._outgoing.settle()
        if self._outgoing.failure is None:
            self._call.end = "completed"
        else:
            break_off(self._call, self._outgoing.failure)
        if self._reply.ending:
            await before_end(self._call, self._reply)
        self._settled = True
        self._reply.done()
        if self._background is not None:
            self._background.cancel()
        self._background = asyncio.get_running_loop().call_later(self._limits.linger_seconds, self._close_provider)

    def _close_provider(self) -> None:
        self._background = asyncio.get_running_loop().create_task(self._reply.aclose())

    async def _begin(self, data: bytes, more_body: bool = True) -> None:
        """The head goes out with the first event, in one write."""
        self._begun = True
        await self._caller.respond(self._reply.status, head(self._call, self._reply), data, more_body)

    async def _fail(self, error: GatewayError) -> None:
        """Before the first byte an error is still an answer of its own; after the last event it is nobody's matter."""
        if not self._begun:
            await send_refusal(self._call, self._reply, error, self._caller)
            return
        data = b""
        if not self._settled:
            break_off(self._call, error)
            data = self._outgoing.fail(error)
            self._call.answer.add(data)
            self._reply.done()
        await self._caller.pass_on(data, False)

    def _watch(self) -> None:
        """One timer a stream, not one a chunk: it looks when the last bytes went out."""
        silence = self._limits.keep_alive_seconds
        if silence:
            rest = max(0.01, silence - (time.monotonic() - self._last_sent))
            self._background = asyncio.get_running_loop().call_later(rest, self._look)

    def _look(self) -> None:
        if time.monotonic() - self._last_sent < self._limits.keep_alive_seconds:
            self._watch()
        else:
            self._background = asyncio.get_running_loop().create_task(self._say_nothing())

    async def _say_nothing(self) -> None:
        self._last_sent = time.monotonic()
        if self._begun:
            await self._caller.pass_on(self._outgoing.keep_alive)
        else:
            await self._begin(self._outgoing.keep_alive)
        self._watch()
