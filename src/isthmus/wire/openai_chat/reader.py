"""A provider's Chat Completions, streamed or whole, to events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from isthmus.core.event import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.usage import Usage
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.framing.sse import DONE, ServerSentEvents
from isthmus.wire.json_text import made_up_id
from isthmus.wire.openai_chat import schema
from isthmus.wire.openai_chat.errors import stated_error

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

ERROR = "error"
"""OpenRouter's finish reason for an answer that failed on the way."""

_decode = msgspec.json.Decoder(schema.Answer).decode


def finish_reason(said: str, called: bool) -> FinishReason:
    """A reason nobody knows is a stop. OpenAI (with a named `tool_choice`) and others say "stop" after tool calls."""
    reason = _REASONS.get(said, "stop")
    return "tool_calls" if called and reason == "stop" else reason


def read_usage(answered: schema.AnsweredUsage) -> Usage:
    prompt, completion = answered.prompt_tokens_details, answered.completion_tokens_details
    cached = (prompt.cached_tokens if prompt else None) or answered.prompt_cache_hit_tokens or 0
    return Usage(
        input_tokens=int(answered.prompt_tokens or 0),
        output_tokens=int(answered.completion_tokens or 0),
        cache_read_tokens=int(cached),
        reasoning_tokens=int((completion.reasoning_tokens if completion else None) or 0),
    )


class AnswerEvents:
    """Answers (one, or one chunk after the other) to events. `finished` once the model said why it stopped."""

    __slots__ = ("_calls", "failed", "finished", "started")

    def __init__(self) -> None:
        self._calls = _Calls()
        self.started = False
        self.finished = False
        self.failed = False

    def of(self, answer: schema.Answer) -> list[Event]:
        if answer.error or (answer.choices and answer.choices[0].finish_reason == ERROR):
            self.failed = True
            return [Failed(error=stated_error(answer.error))]
        events: list[Event] = []
        # Azure's first chunk has neither id nor choices: nothing has started yet.
        if not self.started and (answer.id or answer.choices):
            self._start(answer, events)
        for choice in answer.choices or ():
            if not choice.index and not self.finished:
                if choice.delta is not None:
                    self._say(choice.delta, events, whole=False)
                elif choice.message is not None:
                    self._say(choice.message, events, whole=True)
                if choice.finish_reason:
                    self.finish(choice.finish_reason, events)
        usage = answer.usage
        if usage is not None and self.started and (usage.prompt_tokens or usage.completion_tokens):
            events.append(UsageReported(usage=read_usage(usage)))
        return events

    def finish(self, said: str, events: list[Event]) -> None:
        self.finished = True
        events.append(Finished(reason=finish_reason(said, self._calls.any_started)))

    def _start(self, answer: schema.Answer, events: list[Event]) -> None:
        self.started = True
        created = int(answer.created) if answer.created else None
        events.append(Started(id=answer.id or made_up_id(""), model=answer.model or "", created=created))

    def _say(self, said: schema.Said, events: list[Event], *, whole: bool) -> None:
        reasoning = said.reasoning_content or said.reasoning
        if reasoning and isinstance(reasoning, str):
            events.append(ReasoningDelta(text=reasoning))
        if said.content:
            if isinstance(said.content, str):
                events.append(TextDelta(text=said.content))
            else:
                _say_parts(said.content, events)
        if said.refusal:
            events.append(RefusalDelta(text=said.refusal))
        if said.tool_calls:
            self._calls.read(said.tool_calls, events, whole=whole)


def _say_parts(parts: list[dict[str, Any]], events: list[Event]) -> None:
    """Mistral's reasoning models answer in parts: `text`, and `thinking` which holds text parts in turn."""
    for part in parts:
        text, thinking = part.get("text"), part.get("thinking")
        if isinstance(text, str) and text:
            events.append(TextDelta(text=text))
        for thought in thinking if isinstance(thinking, list) else ():
            words = thought.get("text") if isinstance(thought, dict) else None
            if isinstance(words, str) and words:
                events.append(ReasoningDelta(text=words))


class _Calls:
    """Sorts fragments of tool calls to their calls. Some providers leave the index out, give every call index 0, or
    send the id again (or another) with each fragment: a new call is one at a new place, or one whose fragment has a
    name and another id (without an id: another name)."""

    __slots__ = ("_by_place", "_last", "_next")

    def __init__(self) -> None:
        self._by_place: dict[int | str, _Call] = {}
        self._last: _Call | None = None
        self._next = 0

    @property
    def any_started(self) -> bool:
        return self._next > 0

    def read(self, pieces: list[schema.AnsweredCall], events: list[Event], *, whole: bool) -> None:
        for piece in pieces:
            function = piece.function
            name = function.name if function else None
            call = self._last = _Call(piece.id) if whole else self._find(piece, name)
            if call.index is None and name:
                call.name, call.index, self._next = name, self._next, self._next + 1
                call.id = call.id or piece.id or made_up_id("call_")
                events.append(ToolCallStarted(index=call.index, id=call.id, name=name))
            arguments = _arguments(function.arguments) if function else ""
            if call.index is None:
                call.held += arguments
            elif call.held or arguments:
                events.append(ToolCallDelta(index=call.index, arguments=call.held + arguments))
                call.held = ""

    def _find(self, piece: schema.AnsweredCall, name: str | None) -> _Call:
        place = piece.index if piece.index is not None else piece.id or None
        if place is None:
            # No index and no id: a name begins a call, anything else continues the last one.
            return self._last if self._last is not None and not name else _Call(None)
        call = self._by_place.get(place)
        if call is None or call.is_other(piece.id, name):
            call = self._by_place[place] = _Call(piece.id)
        return call


class _Call:
    """`index` is None until the name has come; arguments that came before it are held."""

    __slots__ = ("held", "id", "index", "name")

    def __init__(self, given_id: str | None) -> None:
        self.id = given_id
        self.index: int | None = None
        self.name: str | None = None
        self.held = ""

    def is_other(self, piece_id: str | None, name: str | None) -> bool:
        if not name or self.index is None:
            return False
        return piece_id != self.id if piece_id else name != self.name


def _arguments(given: Any) -> str:
    """JSON text is what the format says; some providers send the object itself."""
    if given is None:
        return ""
    return given if isinstance(given, str) else msgspec.json.encode(given).decode()


Decode = Callable[[bytes], schema.Answer]


def decode_answer(data: bytes) -> schema.Answer:
    """Raises `Malformed`."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider's answer is not a chat completion: {error}.") from None


class StreamReader:
    """Reads until `[DONE]`; what comes after it is passed over. `decode` makes a chunk of an event's data."""

    __slots__ = ("_decode", "_events", "_frames", "_spoken", "ended")

    def __init__(self, decode: Decode = decode_answer) -> None:
        self._decode = decode
        self._spoken = False
        self._frames = ServerSentEvents()
        self._events = AnswerEvents()
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        return self._read(self._frames.feed(data))

    def close(self) -> list[Event]:
        try:
            events = self._read(self._frames.close())
        except Malformed:
            events = []  # half an event, where the stream broke off
        if not (self.ended or self._events.finished or self._events.failed):
            if not self._spoken:
                raise Malformed("The provider's stream was empty.")
            raise Interrupted("The provider's stream ended before the answer did.")
        return events

    def _read(self, frames: list[tuple[bytes, bytes]]) -> list[Event]:
        events: list[Event] = []
        reading = self._events
        for _, data in frames:
            self._spoken = True
            if self.ended or reading.failed:
                break
            if data[:1] == b"[" and data.strip() == DONE:
                self.ended = True
                if not reading.started:
                    raise Malformed("The provider's stream held no answer.")
                if not reading.finished:
                    reading.finish("stop", events)
            elif data:
                events += reading.of(self._decode(data))
        return events


class WholeReader:
    """The events of a whole answer, at its close."""

    __slots__ = ("_chunks", "_decode")
    ended = False

    def __init__(self, decode: Decode = decode_answer) -> None:
        self._decode = decode
        self._chunks: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        self._chunks.append(data)
        return []

    def close(self) -> list[Event]:
        answer = self._decode(b"".join(self._chunks))
        reading = AnswerEvents()
        events = reading.of(answer)
        if not reading.failed:
            if not answer.choices:
                raise Malformed("The provider's answer has no `choices`.")
            if not reading.finished:
                reading.finish("stop", events)
        return events
