"""One attempt: has the request written for its target, sends it, and waits for the first bytes of the answer.

That is the commit point: until then a failure is raised and may be tried elsewhere; after it, it belongs to the answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from isthmus.core.attempt import Attempt, Target
from isthmus.core.call import Call
from isthmus.core.chat.event import Failed, Started, UsageReported
from isthmus.core.reply import Frame, Reader, Reply
from isthmus.data_plane.outbound.frames import Frames, LateReader, ToolReader
from isthmus.data_plane.outbound.prepare import Preparation, Prepared
from isthmus.data_plane.outbound.sender import PASSED_ON, Sender
from isthmus.errors import Malformed
from isthmus.providers.constrained_tools import CalledTools
from isthmus.transport.protocol import UpstreamResponse
from isthmus.wire.protocol import Dialect

_STREAMS = (b"text/event-stream", b"application/vnd.amazon.eventstream")


class Dispatcher:
    def __init__(self, preparation: Preparation, sender: Sender, dialects: Mapping[str, Dialect]) -> None:
        self._preparation = preparation
        self._sender = sender
        self._dialects = dialects

    async def __call__(self, call: Call, attempt: Attempt) -> Reply:
        target = attempt.target
        call.target = target
        prepared = self._preparation.relayed(call, target) or await self._preparation.translated(call, target)
        located = target.place(call.stream)
        if located is None:
            assert target.locate is not None
            located = await target.locate()
        response = await self._sender(call, target, located, prepared.body)
        try:
            return await self._begin(call, target, response, prepared)
        except BaseException:
            await response.aclose()
            raise

    async def _begin(self, call: Call, target: Target, response: UpstreamResponse, prepared: Prepared) -> Reply:
        content_type, passed = b"", []
        for name, value in response.headers:
            if name == b"content-type":
                content_type = value
            elif name in PASSED_ON:
                passed.append((name, value))
            elif name == b"content-encoding" and value.lower() != b"identity":
                raise Malformed(f"The provider {target.provider} compressed its answer, which it was not asked to.")
        streamed = content_type != b"application/json" and _is_stream(target, content_type)
        dialect = self._dialects[target.dialect]
        reader: Reader = LateReader(dialect, whole=not streamed)
        if prepared.constrained is not None:
            reader = ToolReader(reader, CalledTools(prepared.constrained))
        chunks = response.chunks()
        first = await anext(chunks, b"")
        call.first_byte_at = time.monotonic()
        reply = Reply(200, content_type=content_type, dialect=dialect.name, whole=not streamed)
        opening = Frame(first, reader)
        if streamed:
            raise_early_failure(opening)
        reply.frames = Frames(opening, chunks, reader)
        reply.filter = prepared.filter
        reply.headers = passed
        reply.when_closed(response.aclose)
        return reply


def _is_stream(target: Target, content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].strip().lower()
    if kind not in _STREAMS and kind != b"application/json":
        raise Malformed(f"The provider {target.provider} answered with {kind.decode('latin-1') or 'no'} content.")
    return kind in _STREAMS


def raise_early_failure(opening: Frame) -> None:
    """A stream that begins with an error is no answer yet: it can still be refused, or tried elsewhere."""
    # Responses say `"error":null` where there is none: nothing to decode the frame for.
    if opening.data.count(b'"error"') <= opening.data.count(b'"error":null'):
        return
    for event in opening.events:
        if isinstance(event, Failed):
            raise event.error
        if not isinstance(event, Started | UsageReported):
            return
