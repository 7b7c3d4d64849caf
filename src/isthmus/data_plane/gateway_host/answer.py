"""A provider's answer to a native request as a reply: its status, its head and its bytes, and what its row may know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from isthmus.core.call import Call
from isthmus.core.native import Known, NativePlace
from isthmus.core.refusal import note
from isthmus.core.reply import Frame, Reply
from isthmus.data_plane.gateway_host.headers import to_caller
from isthmus.data_plane.gateway_host.usage import ChatWatcher, FramesWatcher, VectorsWatcher, Watcher
from isthmus.data_plane.outbound.frames import Frames, LateReader
from isthmus.data_plane.outbound.sender import ERROR_MAX_BYTES, key_refused, quotes_key, retry_after_of
from isthmus.errors import UpstreamError
from isthmus.transport.protocol import UpstreamResponse
from isthmus.wire.protocol import Dialect
from isthmus.wire.statuses import upstream_error

EVENTS = b"text/event-stream"
AMAZONS_EVENTS = b"application/vnd.amazon.eventstream"
JSON = b"application/json"


class Answers:
    def __init__(self, dialects: Mapping[str, Dialect]) -> None:
        self._dialects = dialects

    async def __call__(
        self, call: Call, response: UpstreamResponse, place: NativePlace, known: Known | None, is_head: bool
    ) -> Reply:
        """`known`: what the request was, where it was read. Raises `GatewayError` where nothing comes, and where the
        provider refused the installation's own key in its own words. Whoever has the reply closes it, and with it the
        response."""
        reply = Reply(
            response.status,
            content_type=response.header(b"content-type") or b"",
            dialect=call.dialect or "",
            whole=False,
        )
        reply.headers = to_caller(response.headers)
        reply.length = _length(response, is_head)
        chunks = response.chunks()
        if response.status >= 400:
            reply.pieces = await self._refused(call, response, place, chunks)
        elif (
            response.status < 300 and known is not None and response.header(b"content-encoding") in (None, b"identity")
        ):
            await self._known(call, reply, known, chunks)
        else:
            reply.pieces = _chained([await anext(chunks, b"")], chunks)
        reply.when_closed(response.aclose)
        return reply

    async def _known(self, call: Call, reply: Reply, known: Known, chunks: AsyncIterator[bytes]) -> None:
        kind = reply.content_type.partition(b";")[0].strip().lower()
        first = await anext(chunks, b"")
        if call.dialect is not None and kind == EVENTS:
            call.stream = True
            reader = LateReader(self._dialects[call.dialect], whole=False)
            reply.frames = Frames(Frame(first, reader), chunks, reader)
            return
        pieces = _chained([first], chunks)
        watcher = self._watcher(call, known, kind)
        if watcher is None:
            reply.pieces = pieces
            return
        reply.pieces = _watched(pieces, watcher)
        reply.when_done(watcher.close)

    def _watcher(self, call: Call, known: Known, kind: bytes) -> Watcher | None:
        if known.embeds:
            return VectorsWatcher(call)
        if known.counts or call.dialect is None:
            return None
        dialect = self._dialects[call.dialect]
        if kind == AMAZONS_EVENTS:
            return FramesWatcher(call, dialect)
        return ChatWatcher(call, dialect) if kind == JSON else None

    async def _refused(
        self, call: Call, response: UpstreamResponse, place: NativePlace, chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        """The provider's refusal, which goes on as it is; what the row says of it is read from its beginning."""
        parts: list[bytes] = []
        size = 0
        async for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > ERROR_MAX_BYTES:
                break
        body = b"".join(parts)
        if call.own_key is None and quotes_key(body, place.credential):
            raise key_refused(place.provider)
        error = self._error(call, response, place, body)
        if call.own_key is None and response.status < 500 <= error.status:
            raise error  # a key of the installation's that is no good, told in our own words
        call.status = response.status
        note(call, error)
        return _chained(parts, chunks)

    def _error(self, call: Call, response: UpstreamResponse, place: NativePlace, body: bytes) -> UpstreamError:
        """What the provider says of a caller's own key may quote it, and is not repeated."""
        retry_after = retry_after_of(response)
        repeated = call.own_key is None or response.status not in (401, 403)
        if repeated and place.refusals is not None and response.header(b"content-encoding") in (None, b"identity"):
            return self._dialects[place.refusals].read_error(response.status, body, retry_after)
        message = f"The provider {place.provider} answered with status {response.status}."
        return upstream_error(response.status, message, retry_after=retry_after)


def _length(response: UpstreamResponse, is_head: bool) -> int | None:
    """Of the body, as the provider said it. That of an answer without one is of what is not there."""
    if response.status == 204:
        return None
    value = response.header(b"content-length")
    return int(value) if value is not None and value.isdigit() else None


async def _chained(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for piece in first:
        if piece:
            yield piece
    async for piece in rest:
        yield piece


async def _watched(pieces: AsyncIterator[bytes], watcher: Watcher) -> AsyncIterator[bytes]:
    async for piece in pieces:
        watcher.feed(piece)
        yield piece
