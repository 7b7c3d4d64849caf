"""An answer's frames made into the caller's bytes: the frames' own where the dialect is the same, else written anew.

`write` gives what can go out now, `close` the rest. When `ended` is true after either, its bytes hold the last event
that a caller waits for: the call's row is kept before they are sent.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from isthmus.core.call import Call
from isthmus.core.chat.event import Event, Failed, Finished, Started, UsageReported
from isthmus.core.chat.request import Chat
from isthmus.core.reply import Frame, View
from isthmus.errors import GatewayError, Interrupted, Malformed
from isthmus.wire.framing.sse import DONE, EventCut, ServerSentEvents
from isthmus.wire.protocol import Dialect, Filter

STREAM = b"text/event-stream; charset=utf-8"

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Outgoing(Protocol):
    """`streams`: what it gives goes out as it comes; otherwise in one piece. `content_type` None: the provider's.
    `failure`: the error with which the provider itself ended its stream, and which the caller has been given."""

    ended: bool
    failure: GatewayError | None
    streams: bool
    content_type: bytes | None
    keep_alive: bytes

    def write(self, frame: Frame) -> bytes: ...

    def close(self) -> bytes:
        """Raises `UpstreamError` where the answer was cut short."""
        ...

    def fail(self, error: GatewayError) -> bytes:
        """The error in-band, for a caller who has part of the answer."""
        ...

    def settle(self) -> None:
        """Writes down in the call what its row wants to know: model, usage, finish reason."""
        ...


class RelayedStream:
    """Passes whole events on, byte for byte; half an event waits for its other half."""

    def __init__(self, call: Call, dialect: Dialect, taken_out: Filter | None) -> None:
        self.ended = False
        self.failure: GatewayError | None = None
        self.streams = True
        self.content_type: bytes | None = None
        self.keep_alive = dialect.keep_alive
        self._call = call
        self._dialect = dialect
        self._filter = taken_out
        self._cut = EventCut()

    def write(self, frame: Frame) -> bytes:
        return self._passed(self._cut.feed(frame.data))

    def close(self) -> bytes:
        rest = self._cut.close()
        # Some providers leave out the blank line after their last event. Half an event must not go out: what follows
        # it would belong to it.
        if rest and not (self.ended or _is_whole(rest)):
            rest = b""
        rest = self._passed(rest)
        if self._filter is not None:
            rest += self._filter.close()
        if not self.ended:
            self._settle(rest)
            if self._call.finish_reason is None and self.failure is None:
                raise Interrupted("The provider stopped in the middle of its answer.")
            self.ended = True
        return rest

    def fail(self, error: GatewayError) -> bytes:
        self.settle()
        return self._dialect.writer(False, Chat(model=self._call.model, messages=())).write(Failed(error=error))

    def settle(self) -> None:
        self._settle(b"")

    def _settle(self, rest: bytes) -> None:
        call = self._call
        known = call.answer.known() + rest
        if self._filter is not None:
            known += self._filter.taken
        summary = self._dialect.summarize(known, False)
        call.usage = summary.usage or call.usage
        call.finish_reason = summary.finish_reason
        if summary.failed:
            self.failure = Interrupted("The provider reported an error in the middle of its answer.")

    def _failed(self, data: bytes) -> bool:
        """Whether these events hold the provider's own error, after which a caller waits for nothing either."""
        return b'"error"' in data and self._dialect.summarize(data, False).failed

    def _passed(self, data: bytes) -> bytes:
        if not data:
            return data
        if not self.ended:
            self.ended = self._dialect.stream_ended(data) or self._failed(data)
        return data if self._filter is None else self._filter.feed(data)


def _is_whole(event: bytes) -> bool:
    """Whether an event that lacks its blank line lacks nothing else."""
    frames = ServerSentEvents()
    try:
        for _, data in frames.feed(event) + frames.close():
            if data != DONE:
                msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


class RelayedWhole:
    """One body, byte for byte."""

    def __init__(self, call: Call, dialect: Dialect) -> None:
        self.ended = False
        self.failure: GatewayError | None = None
        self.streams = False
        self.content_type: bytes | None = None
        self.keep_alive = b""
        self._call = call
        self._dialect = dialect
        self._parts: list[bytes] = []

    def write(self, frame: Frame) -> bytes:
        self._parts.append(frame.data)
        return b""

    def close(self) -> bytes:
        body = b"".join(self._parts)
        self.ended = True
        summary = self._dialect.summarize(body, True)
        self._call.usage = summary.usage
        self._call.finish_reason = summary.finish_reason
        if summary.finish_reason is None:
            self._check(body, summary.failed)
        return body

    def fail(self, error: GatewayError) -> bytes:
        raise error

    def settle(self) -> None:
        """`close` has."""

    def _check(self, body: bytes, failed: bool) -> None:
        """What gives no reason for its end may be no answer at all. One that gives it has been decoded."""
        try:
            body.isascii() or body.decode()
            _decode_object(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"The provider's answer is not a JSON object: {error}.") from None
        if failed:
            reader = self._dialect.reader(True)
            for event in reader.feed(body) + reader.close():
                if isinstance(event, Failed):
                    raise event.error


class Viewed:
    """Another's bytes as `view` shows them."""

    def __init__(self, outgoing: Outgoing, view: View) -> None:
        self.ended = outgoing.ended
        self.failure: GatewayError | None = None
        self.streams = outgoing.streams
        self.content_type = outgoing.content_type
        self.keep_alive = outgoing.keep_alive
        self._outgoing = outgoing
        self._view = view

    def write(self, frame: Frame) -> bytes:
        return self._seen(self._outgoing.write(frame))

    def close(self) -> bytes:
        return self._seen(self._outgoing.close())

    def fail(self, error: GatewayError) -> bytes:
        return self._seen(self._outgoing.fail(error))

    def settle(self) -> None:
        self._outgoing.settle()
        self.failure = self._outgoing.failure

    def _seen(self, data: bytes) -> bytes:
        self.ended = self._outgoing.ended
        self.failure = self._outgoing.failure
        if not data:
            return data
        return self._view.stream(data) if self.streams else self._view.whole(data)


class Written:
    """Events written in the caller's dialect, whole or streamed. Any of the provider's forms will do: a whole answer
    has the same events as a streamed one."""

    def __init__(self, call: Call, dialect: Dialect, chat: Chat) -> None:
        self.ended = False
        self.failure: GatewayError | None = None
        self.streams = call.stream
        self.content_type: bytes | None = STREAM if call.stream else b"application/json"
        self.keep_alive = dialect.keep_alive
        self._call = call
        self._writer = dialect.writer(not call.stream, chat)
        self._started = False

    def write(self, frame: Frame) -> bytes:
        if self.ended:
            return b""
        data = b"".join([self._written(event) for event in frame.events])
        return data + self.close() if self._call.finish_reason and frame.ended else data

    def close(self) -> bytes:
        """The provider's last event ends the answer, whether or not it then ends its stream."""
        if self.ended:
            return b""
        self.ended = True
        return self._writer.close()

    def fail(self, error: GatewayError) -> bytes:
        return self._writer.write(Failed(error=error))

    def settle(self) -> None:
        """The events have."""

    def _written(self, event: Event) -> bytes:
        call = self._call
        if isinstance(event, Started):
            self._started = True
            target = call.target
            model = event.model if target is None else (event.model or target.model) if target.relay else target.name
            created = event.created or int(call.started_at)
            event = msgspec.structs.replace(event, model=model, created=created)
            call.usage = event.usage or call.usage
        elif isinstance(event, UsageReported):
            call.usage = event.usage
        elif isinstance(event, Finished):
            call.finish_reason = event.reason
        elif isinstance(event, Failed):
            if not (self.streams and self._started):
                raise event.error
            self.failure = event.error
            self.ended = True
        return self._writer.write(event)
