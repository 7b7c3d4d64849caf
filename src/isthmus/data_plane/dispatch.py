"""One attempt: writes the request for its target, sends it, and waits for the first meaningful bytes of the answer.

That is the commit point: until then a failure is raised and may be tried elsewhere; after it, it belongs to the answer.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

import msgspec

from isthmus.core.attempt import Attempt, Located, Target
from isthmus.core.call import Call
from isthmus.core.event import Event, Failed, Started, UsageReported
from isthmus.core.reply import Filter, Frame, Reader, Reply
from isthmus.core.request import Chat
from isthmus.errors import InvalidRequest, Malformed, Native, Unavailable, UpstreamError
from isthmus.providers.constrained_tools import CalledTools, constrain
from isthmus.providers.provider import TRACING
from isthmus.transport.protocol import Timeouts, Transport, UpstreamRequest, UpstreamResponse
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect

ERROR_MAX_BYTES = 1024 * 1024

# What of a provider's answer head goes on to the caller.
_PASSED_ON = frozenset((b"x-request-id", b"request-id", b"openai-processing-ms", b"x-should-retry"))

# What of a caller's head goes along whatever the provider speaks.
_TRACING = frozenset(name for name, _ in TRACING)


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the target wants it, and how its answer is to be read."""

    body: bytes
    filter: Filter | None = None
    constrained: Chat | None = None


class Dispatcher:
    """Knows every dialect and the one transport."""

    def __init__(self, transport: Transport, dialects: Mapping[str, Dialect], timeouts: Timeouts) -> None:
        self._transport = transport
        self._dialects = dialects
        self._timeouts = timeouts

    async def __call__(self, call: Call, attempt: Attempt) -> Reply:
        target = attempt.target
        call.target = target
        prepared = self._prepare(call, target)
        located = target.located
        if located is None:
            assert target.locate is not None
            located = await target.locate()
        response = await self._transport.send(self._request(call, target, located, prepared.body))
        try:
            if response.status >= 300:
                raise await self._failure(call, target, response)
            return await self._begin(call, target, response, prepared)
        except BaseException:
            await response.aclose()
            raise

    def _prepare(self, call: Call, target: Target) -> Prepared:
        body = call.body
        assert isinstance(body, Body) and call.dialect is not None
        dialect = self._dialects[target.dialect]
        if target.relay and dialect.name == call.dialect:
            relayed = dialect.relay_request(body, target.model)
            return Prepared(body=relayed.body, filter=relayed.filter)
        try:
            return self._translated(call, target, dialect)
        except RecursionError:
            raise InvalidRequest("The body is nested too deeply.") from None

    def _translated(self, call: Call, target: Target, dialect: Dialect) -> Prepared:
        chat = call.chat
        if chat is None:
            assert isinstance(call.body, Body)
            chat = call.chat = self._dialects[call.dialect or ""].read_request(call.body)
        constrained = None
        if target.constrain_tools:
            constrained = chat
            chat = constrain(chat)
        written = dialect.write_request(chat, target.model)
        call.lost = (*chat.unplaced, *written.lost)
        return Prepared(body=written.body, constrained=constrained)

    def _request(self, call: Call, target: Target, located: Located, body: bytes) -> UpstreamRequest:
        headers = located.headers
        same = self._dialects[target.dialect].name == call.dialect
        for name, otherwise in target.forward:
            value = call.headers.get(name, otherwise) if same or name in _TRACING else otherwise
            if value is not None:
                headers = (*headers, (name, value))
        timeouts = self._timeouts
        wish = call.options.request_timeout_seconds
        if wish is not None:
            timeouts = msgspec.structs.replace(timeouts, first_byte_seconds=wish)
        return UpstreamRequest(
            method="POST",
            url=located.url,
            headers=headers,
            body=body,
            timeouts=timeouts,
            allow_private_address=target.allow_private_address,
        )

    async def _begin(self, call: Call, target: Target, response: UpstreamResponse, prepared: Prepared) -> Reply:
        content_type, passed = b"", []
        for name, value in response.headers:
            if name == b"content-type":
                content_type = value
            elif name in _PASSED_ON:
                passed.append((name, value))
            elif name == b"content-encoding" and value.lower() != b"identity":
                raise Malformed(f"The provider {target.provider} compressed its answer, which it was not asked to.")
        streamed = content_type != b"application/json" and _is_stream(target, content_type)
        dialect = self._dialects[target.dialect]
        reader: Reader = _LateReader(dialect, whole=not streamed)
        if prepared.constrained is not None:
            reader = _ToolReader(reader, CalledTools(prepared.constrained))
        chunks = response.chunks()
        first = await anext(chunks, b"")
        call.first_byte_at = time.monotonic()
        reply = Reply(200, content_type=content_type, dialect=dialect.name, whole=not streamed)
        opening = Frame(first, reader)
        # Responses say `"error":null` where there is none: nothing to decode the frame for.
        if streamed and first.count(b'"error"') > first.count(b'"error":null'):
            _raise_failure(opening)
        reply.frames = _Frames(opening, chunks, reader)
        reply.filter = prepared.filter
        reply.headers = passed
        reply.when_closed(response.aclose)
        return reply

    async def _failure(self, call: Call, target: Target, response: UpstreamResponse) -> UpstreamError:
        """The provider's refusal. Its body is kept for callers who speak its dialect."""
        status = response.status
        call.first_byte_at = time.monotonic()
        if not 400 <= status < 600:
            return Malformed(f"The provider {target.provider} answered with status {status}: no answer and no error.")
        parts: list[bytes] = []
        size = 0
        with suppress(UpstreamError):  # the status is told all the same
            async for chunk in response.chunks():
                parts.append(chunk)
                size += len(chunk)
                if size > ERROR_MAX_BYTES:
                    break
        body = b"".join(parts)
        await response.aclose()
        if status == 401:
            # The key is the installation's own, not the caller's; providers quote parts of it in this answer.
            return Unavailable(
                f"The provider {target.provider} refused this installation's credential. Its operator must renew it.",
                status=503,
            )
        dialect = self._dialects[target.dialect]
        retry_after = _retry_after(response)
        error = dialect.read_error(status, body, retry_after)
        if response.header(b"content-encoding") is None:
            content_type = (response.header(b"content-type") or b"application/json").decode("latin-1")
            kept = _PASSED_ON if retry_after is not None else _PASSED_ON | {b"retry-after"}
            passed = tuple(pair for pair in response.headers if pair[0] in kept)
            error.native = Native(status, body, content_type, dialect.name, passed)
        return error


class _LateReader:
    """A dialect's reader, made when it is first needed: a relayed answer needs none."""

    __slots__ = ("_dialect", "_reader", "_whole")

    def __init__(self, dialect: Dialect, whole: bool) -> None:
        self._dialect = dialect
        self._whole = whole
        self._reader: Reader | None = None

    @property
    def ended(self) -> bool:
        return self._reader is not None and self._reader.ended

    def feed(self, data: bytes) -> list[Event]:
        if self._reader is None:
            self._reader = self._dialect.reader(self._whole)
        return self._reader.feed(data)

    def close(self) -> list[Event]:
        if self._reader is None:
            self._reader = self._dialect.reader(self._whole)
        return self._reader.close()


class _ToolReader:
    """A reader whose answer was constrained to a tool call."""

    __slots__ = ("_called", "_reader")

    def __init__(self, reader: Reader, called: CalledTools) -> None:
        self._reader = reader
        self._called = called

    @property
    def ended(self) -> bool:
        return self._reader.ended

    def feed(self, data: bytes) -> list[Event]:
        return [made for event in self._reader.feed(data) for made in self._called.feed(event)]

    def close(self) -> list[Event]:
        return [made for event in self._reader.close() for made in self._called.feed(event)]


class _Frames:
    """The frames of an answer. A class and not a generator, which asyncio would have to keep account of: 2 µs less."""

    __slots__ = ("_chunks", "_decoder", "_ended", "_opening")

    def __init__(self, opening: Frame, chunks: AsyncIterator[bytes], decoder: Reader) -> None:
        self._opening: Frame | None = opening
        self._chunks = chunks
        self._decoder = decoder
        self._ended = False

    def __aiter__(self) -> _Frames:
        return self

    async def __anext__(self) -> Frame:
        opening = self._opening
        if opening is not None:
            self._opening = None
            return opening
        if self._ended:
            raise StopAsyncIteration
        try:
            return Frame(await self._chunks.__anext__(), self._decoder)
        except StopAsyncIteration:
            self._ended = True
            return Frame(b"", self._decoder, last=True)


def _is_stream(target: Target, content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].strip().lower()
    if kind not in (b"text/event-stream", b"application/json"):
        raise Malformed(f"The provider {target.provider} answered with {kind.decode('latin-1') or 'no'} content.")
    return kind == b"text/event-stream"


def _raise_failure(opening: Frame) -> None:
    """A stream that begins with an error is no answer yet: it can still be refused, or tried elsewhere."""
    for event in opening.events:
        if isinstance(event, Failed):
            raise event.error
        if not isinstance(event, Started | UsageReported):
            return


def _retry_after(response: UpstreamResponse) -> float | None:
    """Seconds; a date (RFC 9110, 10.2.3) is left to the caller's own clock and counts as absent."""
    value = response.header(b"retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 86_400 else None
