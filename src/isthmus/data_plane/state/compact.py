"""`POST responses/compact`: OpenAI's own where it answers, else a summary that the model is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from isthmus.clock import Clock
from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.data_plane.outbound.prepare import Preparation
from isthmus.data_plane.outbound.sender import Sender
from isthmus.errors import InvalidRequest, Malformed
from isthmus.routing.driver import Dispatch, drive
from isthmus.routing.plan import once
from isthmus.wire.body import Body
from isthmus.wire.openai_responses import DIALECT
from isthmus.wire.openai_responses.state.compaction import CompactionView, summary_request
from isthmus.wire.openai_responses.state.items import read_input

COMPACTED_MAX_BYTES = 64 * 1024 * 1024
COMPACTS = "openai"
"""The provider that has an address for it."""

Compact = Callable[[Call, Target], Awaitable[Reply]]


class Compactor:
    def __init__(self, preparation: Preparation, sender: Sender, dispatch: Dispatch, clock: Clock) -> None:
        self._preparation = preparation
        self._sender = sender
        self._dispatch = dispatch
        self._clock = clock

    async def __call__(self, call: Call, target: Target) -> Reply:
        """Behind `restore`: all that is to be compacted stands in the call's input."""
        assert isinstance(call.body, Body)
        if call.stream:
            raise InvalidRequest("A compaction is not streamed: leave `stream` out.", param="stream")
        if target.provider == COMPACTS:
            return await self._relayed(call, target)
        raw = call.body.fields.get("input")
        items = read_input(None if raw is None else bytes(raw))
        if not items:
            raise InvalidRequest("`input` or `previous_response_id` must say what is to be compacted.", param="input")
        call.body = summary_request(call.body, items)
        reply = await drive(once(target), call, self._dispatch, self._clock)
        reply.view = CompactionView(items)
        return reply

    async def _relayed(self, call: Call, target: Target) -> Reply:
        prepared, located = self._preparation.relayed(call, target), target.place(False)
        assert prepared is not None and located is not None
        there = msgspec.structs.replace(located, url=f"{located.url}/compact")
        response = await self._sender(call, target, there, prepared.body)
        parts: list[bytes] = []
        size = 0
        try:
            async for chunk in response.chunks():
                parts.append(chunk)
                size += len(chunk)
                if size > COMPACTED_MAX_BYTES:
                    raise Malformed(f"The provider's answer is over {COMPACTED_MAX_BYTES} bytes.")
        finally:
            await response.aclose()
        reply = Reply(200, content_type=b"application/json", dialect=DIALECT.name, whole=True)
        reply.body = b"".join(parts)
        call.usage = DIALECT.summarize(reply.body, True).usage
        call.end = "completed"
        return reply
