"""Anthropic's answers, streamed or whole, to events. Blocks and events that it adds over time are passed over."""

from __future__ import annotations

import msgspec

from isthmus.core.chat.event import Event, Failed, Finished, ReasoningDelta, Started, TextDelta, UsageReported
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.anthropic_messages import schema
from isthmus.wire.anthropic_messages.answer import UsageCount, read_finish
from isthmus.wire.anthropic_messages.errors import stated_error
from isthmus.wire.anthropic_messages.parts.answered_blocks import Blocks
from isthmus.wire.anthropic_messages.parts.citations import read_citations
from isthmus.wire.anthropic_messages.parts.signatures import read_signature
from isthmus.wire.framing.sse import DONE, ServerSentEvents
from isthmus.wire.framing.whole import WholeBody
from isthmus.wire.json_text import made_up_id

_KNOWN = frozenset(
    ("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "error")
)
_decode_event = msgspec.json.Decoder(schema.StreamEvent).decode
_decode_kind = msgspec.json.Decoder(schema.Kind).decode
_decode_message = msgspec.json.Decoder(schema.AnsweredMessage).decode


class StreamReader:
    __slots__ = ("_blocks", "_finished", "_frames", "_usage", "ended")

    def __init__(self) -> None:
        self._frames = ServerSentEvents()
        self._usage = UsageCount()
        self._blocks = Blocks()
        self._finished = False
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        return self._events(self._frames.feed(data))

    def close(self) -> list[Event]:
        events = self._events(self._frames.close())
        if not self.ended:
            raise Interrupted("The provider stopped in the middle of its answer.")
        return events

    def _events(self, frames: list[tuple[bytes, bytes]]) -> list[Event]:
        events: list[Event] = []
        for name, data in frames:
            if self.ended:
                break
            if name == b"ping" or data == DONE:
                continue
            event = _event(data)
            if event is not None:
                self._read(event, events)
        return events

    def _read(self, event: schema.StreamEvent, events: list[Event]) -> None:
        kind = event.type
        if kind == "content_block_delta":
            if event.delta is not None:
                self._delta(event.index, event.delta, events)
        elif kind == "content_block_start":
            self._blocks.begin(event.index, bytes(event.content_block), events)
        elif kind == "content_block_stop":
            self._blocks.end(event.index, events)
        elif kind == "message_delta":
            self._message_delta(event, events)
        elif kind == "message_start":
            self._start(event.message or schema.AnsweredMessage(), events)
        elif kind == "message_stop":
            if not self._finished:
                self._blocks.close(events)
                events.append(Finished(reason="stop"))
            self.ended = True
        elif kind == "error":
            events.append(Failed(error=stated_error(event.error)))
            self.ended = True

    def _start(self, message: schema.AnsweredMessage, events: list[Event]) -> None:
        usage = None if message.usage is None else self._usage.update(message.usage)
        events.append(Started(id=message.id or made_up_id("msg_"), model=message.model or "", usage=usage))
        if usage is not None:
            events.append(UsageReported(usage=usage))

    def _delta(self, index: int, delta: schema.Delta, events: list[Event]) -> None:
        kind = delta.type
        if kind == "text_delta":
            if delta.text:
                self._blocks.said += len(delta.text)
                events.append(TextDelta(text=delta.text))
        elif kind == "input_json_delta":
            if delta.partial_json:
                self._blocks.add_input(index, delta.partial_json, events)
        elif kind == "thinking_delta":
            if delta.thinking:
                events.append(ReasoningDelta(text=delta.thinking))
        elif kind == "signature_delta":
            if delta.signature:
                events.append(ReasoningDelta(signature=read_signature(delta.signature)))
        elif kind == "citations_delta":
            self._blocks.cite(index, read_citations([delta.citation]))

    def _message_delta(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if event.usage is not None:
            events.append(UsageReported(usage=self._usage.update(event.usage)))
        delta = event.delta
        if delta is not None and delta.stop_reason and not self._finished:
            self._finished = True
            self._blocks.close(events)
            events.append(read_finish(delta.stop_reason, delta.stop_sequence, delta.stop_details))


class WholeReader:
    __slots__ = ("_body",)
    ended = False

    def __init__(self) -> None:
        self._body = WholeBody()

    def feed(self, data: bytes) -> list[Event]:
        self._body.feed(data)
        return []

    def close(self) -> list[Event]:
        message = self._body.decoded(_decode_message, "message")
        if message.type == "error":
            return [Failed(error=stated_error(message.error))]
        if message.type != "message":
            raise Malformed("The provider's answer is not a message.")
        return _whole_events(message)


def _whole_events(message: schema.AnsweredMessage) -> list[Event]:
    """A whole block is one that begins with all that it holds."""
    usage = None if message.usage is None else UsageCount().update(message.usage)
    events: list[Event] = [Started(id=message.id or made_up_id("msg_"), model=message.model or "", usage=usage)]
    blocks = Blocks()
    for index, block in enumerate(message.content):
        blocks.begin(index, bytes(block), events)
        blocks.end(index, events)
    blocks.close(events)
    if usage is not None:
        events.append(UsageReported(usage=usage))
    events.append(read_finish(message.stop_reason, message.stop_sequence, message.stop_details))
    return events


def _event(data: bytes) -> schema.StreamEvent | None:
    """None for an event that is none of ours and has fields of other types. Raises `Malformed`."""
    try:
        return _decode_event(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _kind(data) in _KNOWN:
            raise Malformed(f"The provider sent a stream event that is none of Messages': {error}.") from None
        return None


def _kind(data: bytes) -> str:
    """Raises `Malformed` for what is no JSON object at all."""
    try:
        return _decode_kind(data).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider sent a stream event that is not JSON: {error}.") from None
