"""Cohere's answers, whole or as a stream of events, to events. What Cohere adds over time is passed over."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from isthmus.core.chat.event import (
    Cited,
    Event,
    Failed,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.cohere_chat import schema
from isthmus.wire.cohere_chat.answer import END, finished, has_failed, read_logprobs, read_usage
from isthmus.wire.cohere_chat.citations import Places, read_citation
from isthmus.wire.cohere_chat.errors import stated_error
from isthmus.wire.framing.sse import DONE, ServerSentEvents
from isthmus.wire.framing.whole import WholeBody
from isthmus.wire.json_text import made_up_id

T = TypeVar("T")

_decode_event = msgspec.json.Decoder(schema.StreamEvent).decode
_decode_answer = msgspec.json.Decoder(schema.Answer).decode


class StreamReader:
    """Reads until `message-end`; what comes after it is passed over."""

    __slots__ = ("_answer", "_frames", "_spoken", "ended")

    def __init__(self) -> None:
        self._frames = ServerSentEvents()
        self._answer = _Answer()
        self._spoken = False
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        return self._read(self._frames.feed(data))

    def close(self) -> list[Event]:
        try:
            events = self._read(self._frames.close())
        except Malformed:
            events = []  # half an event, where the stream broke off
        if not self.ended:
            if not self._spoken:
                raise Malformed("The provider's stream was empty.")
            raise Interrupted("The provider's stream ended before the answer did.")
        return events

    def _read(self, frames: list[tuple[bytes, bytes]]) -> list[Event]:
        events: list[Event] = []
        for _, data in frames:
            self._spoken = True
            if self.ended:
                break
            if data == DONE or not data:
                continue
            try:
                given = _decode_event(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Malformed(f"The provider sent a stream event that is none of Cohere's: {error}.") from None
            if has_failed(given):
                self.ended = True
                said = given.message if given.delta is None else given.delta.error
                events.append(Failed(error=stated_error(said)))
            else:
                self._answer.read(given, events)
                self.ended = given.type == END
        return events


class WholeReader:
    """The events of a whole answer, at its close."""

    __slots__ = ("_body",)
    ended = False

    def __init__(self) -> None:
        self._body = WholeBody()

    def feed(self, data: bytes) -> list[Event]:
        self._body.feed(data)
        return []

    def close(self) -> list[Event]:
        given = self._body.decoded(_decode_answer, "Cohere chat answer")
        said = given.message
        if isinstance(said, str):
            return [Failed(error=stated_error(said))]
        if said is None:
            raise Malformed("The provider's answer has no `message`.")
        answer = _Answer()
        events: list[Event] = []
        answer.start(given.id, events)
        logprobs = tuple(one for item in given.logprobs or () for one in read_logprobs(item))
        for index, block in enumerate(_list(said.content)):
            has_text = bool(block.text)
            answer.say(index, block, logprobs if has_text else (), events)
            logprobs = () if has_text else logprobs
        if said.tool_plan:
            answer.plan(said.tool_plan, events)
        for index, call in enumerate(_list(said.tool_calls)):
            answer.start_call(index, call, events)
        for cited in _list(said.citations):
            answer.cite(cited, events)
        answer.end(schema.Delta(finish_reason=given.finish_reason, usage=given.usage), events)
        return events


class _Answer:
    """What one answer has told so far."""

    __slots__ = ("_calls", "_count", "_places", "_started")

    def __init__(self) -> None:
        self._started = False
        self._places = Places()
        self._calls: dict[int, int] = {}  # Cohere's index → ours
        self._count = 0

    def read(self, given: schema.StreamEvent, events: list[Event]) -> None:
        """One event of a stream."""
        if not self._started and given.type:
            self.start(given.id, events)
        delta = given.delta or schema.Delta()
        said = delta.message or schema.Said()
        index = given.index or 0
        match given.type:
            case "content-start" | "content-delta":
                for block in _list(said.content):
                    self.say(index, block, read_logprobs(given.logprobs), events)
            case "tool-plan-delta" if said.tool_plan:
                self.plan(said.tool_plan, events)
            case "tool-call-start":
                for call in _list(said.tool_calls):
                    self.start_call(index, call, events)
            case "tool-call-delta":
                for call in _list(said.tool_calls):
                    self._go_on(index, call, events)
            case "citation-start":
                for cited in _list(said.citations):
                    self.cite(cited, events)
            case "message-end":
                self.end(delta, events)

    def start(self, id_: str | None, events: list[Event]) -> None:
        """Cohere does not say which model answers."""
        self._started = True
        events.append(Started(id=id_ or made_up_id(""), model=""))

    def say(
        self,
        index: int,
        block: schema.AnsweredContent,
        logprobs: tuple[TokenLogprob, ...],
        events: list[Event],
    ) -> None:
        if block.thinking:
            events.append(ReasoningDelta(text=block.thinking))
        if block.text or logprobs:
            self._places.add(block.text or "", index)
            events.append(TextDelta(text=block.text or "", logprobs=logprobs))

    def plan(self, text: str, events: list[Event]) -> None:
        self._places.add(text, None)
        events.append(TextDelta(text=text))

    def start_call(self, index: int, call: schema.AnsweredCall, events: list[Event]) -> None:
        function = call.function or schema.AnsweredFunction()
        number = self._calls[index] = self._count
        self._count += 1
        events.append(ToolCallStarted(index=number, id=call.id or made_up_id("call_"), name=function.name or ""))
        if function.arguments:
            events.append(ToolCallDelta(index=number, arguments=function.arguments))

    def _go_on(self, index: int, call: schema.AnsweredCall, events: list[Event]) -> None:
        number = self._calls.get(index)
        if number is None:
            raise Malformed("The provider's stream goes on with a tool call that has not begun.")
        if call.function is not None and call.function.arguments:
            events.append(ToolCallDelta(index=number, arguments=call.function.arguments))

    def cite(self, cited: schema.Citation, events: list[Event]) -> None:
        events += [Cited(citation=citation) for citation in read_citation(cited, self._places)]

    def end(self, delta: schema.Delta, events: list[Event]) -> None:
        if delta.usage is not None:
            events.append(UsageReported(usage=read_usage(delta.usage)))
        events.append(finished(delta.finish_reason, bool(self._calls), delta.error))


def _list(given: list[T] | T | None) -> list[T]:
    return [] if given is None else given if isinstance(given, list) else [given]
