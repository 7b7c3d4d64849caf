"""A provider's Converse answer, whole or as its binary event stream, to events (data-plane 16.5)."""

from __future__ import annotations

import msgspec

from isthmus.core.chat.event import Event, Failed, Started, UsageReported
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.bedrock_converse import schema
from isthmus.wire.bedrock_converse.answer import read_finish, read_usage
from isthmus.wire.bedrock_converse.errors import stated_error, whole_error
from isthmus.wire.bedrock_converse.parts.answered_blocks import Blocks
from isthmus.wire.framing.eventstream import EventStream, Message
from isthmus.wire.framing.whole import WholeBody
from isthmus.wire.json_text import made_up_id

_KNOWN = frozenset(
    ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
)
_decode_event = msgspec.json.Decoder(schema.StreamEvent).decode
_decode_answer = msgspec.json.Decoder(schema.Answer).decode


class StreamReader:
    """The last event is `metadata`: a stream without it was cut short, whatever it said before."""

    __slots__ = ("_blocks", "_finished", "_messages", "_started", "ended")

    def __init__(self) -> None:
        self._messages = EventStream()
        self._blocks = Blocks()
        self._started = False
        self._finished = False
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for message in self._messages.feed(data):
            if self.ended:
                break
            self._read(message, events)
        return events

    def close(self) -> list[Event]:
        if not self.ended:
            self._messages.close()
            raise Interrupted("The provider stopped in the middle of its answer.")
        return []

    def _read(self, message: Message, events: list[Event]) -> None:
        kind = message.header(":message-type")
        if kind == "exception":
            self._fail(message.header(":exception-type"), message.payload, events)
        elif kind == "error":
            said = msgspec.json.encode({"message": message.header(":error-message")})
            self._fail(message.header(":error-code"), said, events)
        elif (name := message.header(":event-type")) in _KNOWN:
            self._event(name, _event(message.payload), events)

    def _fail(self, name: str, payload: bytes, events: list[Event]) -> None:
        events.append(Failed(error=stated_error(name, payload)))
        self.ended = True

    def _event(self, name: str, event: schema.StreamEvent, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            events.append(_started())
        if name == "contentBlockDelta":
            if event.delta is not None:
                self._blocks.add(event.contentBlockIndex, event.delta, events)
        elif name == "contentBlockStart":
            if event.start is not None:
                self._blocks.begin(event.contentBlockIndex, event.start, events)
        elif name == "contentBlockStop":
            self._blocks.end(event.contentBlockIndex, events)
        elif name == "messageStop":
            self._finish(event, events)
        elif name == "metadata":
            if not self._finished:
                self._finish(event, events)
            if event.usage is not None:
                events.append(UsageReported(usage=read_usage(event.usage, event.serviceTier)))
            self.ended = True

    def _finish(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if not self._finished:
            self._finished = True
            self._blocks.close(events)
            events.append(read_finish(event.stopReason, event.additionalModelResponseFields))


class WholeReader:
    __slots__ = ("_body",)
    ended = False

    def __init__(self) -> None:
        self._body = WholeBody()

    def feed(self, data: bytes) -> list[Event]:
        self._body.feed(data)
        return []

    def close(self) -> list[Event]:
        answer = self._body.decoded(_decode_whole, "Converse answer")
        if isinstance(answer, Failed):
            return [answer]
        if answer.output is None or answer.output.message is None:
            raise Malformed("The provider's answer holds no message.")
        events: list[Event] = [_started()]
        blocks = Blocks()
        for index, block in enumerate(answer.output.message.content):
            blocks.whole(index, bytes(block), events)
        if answer.usage is not None:
            events.append(UsageReported(usage=read_usage(answer.usage, answer.serviceTier)))
        events.append(read_finish(answer.stopReason, answer.additionalModelResponseFields))
        return events


def _decode_whole(data: bytes) -> schema.Answer | Failed:
    answer = _decode_answer(data)
    error = whole_error(data) if answer.output is None else None
    return answer if error is None else Failed(error=error)


def _started() -> Started:
    """Converse says neither an id nor the model's name: the path of the request said that."""
    return Started(id=made_up_id("msg_"), model="")


def _event(payload: bytes) -> schema.StreamEvent:
    try:
        return _decode_event(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider sent a stream event that is none of Converse's: {error}.") from None
