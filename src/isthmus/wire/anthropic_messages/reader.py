"""Anthropic's answers, streamed or whole, to events. Blocks and events that it adds over time are passed over."""

from __future__ import annotations

import msgspec

from isthmus.core.event import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.anthropic_messages import schema
from isthmus.wire.anthropic_messages.answer import UsageCount, finish_reason
from isthmus.wire.anthropic_messages.errors import stated_error
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
    __slots__ = ("_calls", "_finished", "_frames", "_silent", "_usage", "ended")

    def __init__(self) -> None:
        self._frames = ServerSentEvents()
        self._usage = UsageCount()
        self._calls: dict[int, int] = {}  # block index → call index: other blocks count there too
        self._silent: set[int] = set()  # calls whose arguments have not begun
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
            if event.content_block is not None:
                self._block(event.index, event.content_block, events)
        elif kind == "content_block_stop":
            self._stop(event.index, events)
        elif kind == "message_delta":
            self._message_delta(event, events)
        elif kind == "message_start":
            self._start(event.message or schema.AnsweredMessage(), events)
        elif kind == "message_stop":
            if not self._finished:
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

    def _block(self, index: int, block: schema.AnsweredBlock, events: list[Event]) -> None:
        """A block begins empty at Anthropic; compatible servers put text or a call's whole input here."""
        if block.type == "tool_use":
            call = self._calls[index] = len(self._calls)
            self._silent.add(call)
            events.append(ToolCallStarted(index=call, id=block.id or made_up_id("toolu_"), name=block.name or ""))
            given = _arguments(block)
            if given != "{}":
                self._arguments(call, given, events)
        elif block.type == "text" and block.text:
            events.append(TextDelta(text=block.text))
        elif block.type == "thinking" and (block.thinking or block.signature):
            events.append(ReasoningDelta(text=block.thinking or "", signature=block.signature or None))

    def _delta(self, index: int, delta: schema.Delta, events: list[Event]) -> None:
        kind = delta.type
        if kind == "text_delta":
            if delta.text:
                events.append(TextDelta(text=delta.text))
        elif kind == "input_json_delta":
            call = self._calls.get(index)
            if call is not None and delta.partial_json:
                self._arguments(call, delta.partial_json, events)
        elif kind == "thinking_delta":
            if delta.thinking:
                events.append(ReasoningDelta(text=delta.thinking))
        elif kind == "signature_delta" and delta.signature:
            events.append(ReasoningDelta(signature=delta.signature))

    def _arguments(self, call: int, text: str, events: list[Event]) -> None:
        self._silent.discard(call)
        events.append(ToolCallDelta(index=call, arguments=text))

    def _stop(self, index: int, events: list[Event]) -> None:
        """A call without arguments sends none; others' callers want to parse an object."""
        call = self._calls.get(index)
        if call in self._silent:
            self._arguments(call, "{}", events)

    def _message_delta(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if event.usage is not None:
            events.append(UsageReported(usage=self._usage.update(event.usage)))
        delta = event.delta
        if delta is not None and delta.stop_reason and not self._finished:
            self._finished = True
            events.append(Finished(reason=finish_reason(delta.stop_reason), stop_sequence=delta.stop_sequence))


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
    usage = None if message.usage is None else UsageCount().update(message.usage)
    events: list[Event] = [Started(id=message.id or made_up_id("msg_"), model=message.model or "", usage=usage)]
    calls = 0
    for block in message.content:
        if block.type == "text" and block.text:
            events.append(TextDelta(text=block.text))
        elif block.type == "thinking" and (block.thinking or block.signature):
            events.append(ReasoningDelta(text=block.thinking or "", signature=block.signature or None))
        elif block.type == "tool_use":
            events.append(ToolCallStarted(index=calls, id=block.id or made_up_id("toolu_"), name=block.name or ""))
            events.append(ToolCallDelta(index=calls, arguments=_arguments(block)))
            calls += 1
    if usage is not None:
        events.append(UsageReported(usage=usage))
    reason = finish_reason(message.stop_reason or "end_turn")
    events.append(Finished(reason=reason, stop_sequence=message.stop_sequence))
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


def _arguments(block: schema.AnsweredBlock) -> str:
    given = bytes(block.input)
    return msgspec.json.format(given, indent=-1).decode() if given.startswith(b"{") else "{}"
