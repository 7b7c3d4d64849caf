"""OpenAI's responses, streamed or whole, to events. Items and events that are not text, thinking or function calls are
passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from isthmus.core.event import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.framing.sse import DONE, ServerSentEvents
from isthmus.wire.framing.whole import WholeBody
from isthmus.wire.json_text import made_up_id
from isthmus.wire.openai_responses import schema
from isthmus.wire.openai_responses.answer import failure, finish_reason, incomplete_reason, read_usage

_decode_event = msgspec.json.Decoder(schema.StreamEvent).decode
_decode_kind = msgspec.json.Decoder(schema.Kind).decode
_decode_response = msgspec.json.Decoder(schema.Response).decode


class StreamReader:
    """Items are told apart by their place in the output: some proxies give the same item another id in each event."""

    __slots__ = ("_calls", "_frames", "_section", "_silent", "_spoken", "_started", "ended")

    def __init__(self) -> None:
        self._frames = ServerSentEvents()
        self._calls: dict[int, int] = {}  # place in the output → call index
        self._silent: set[int] = set()  # calls whose arguments have not begun
        self._spoken: set[tuple[int, int]] = set()  # parts that came in deltas
        self._section: tuple[int, int] | None = None  # of the thinking that came last
        self._started = False
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
            if data == DONE or (name and name not in _KNOWN_NAMES):
                continue
            event = _event(data)
            if event is not None:
                self._read(event, events)
        return events

    def _read(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if event.response is not None and not self._started:
            self._started = True
            events.append(_started(event.response))
        step = _STEPS.get(event.type)
        if step is not None:
            step(self, event, events)

    def on_text(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if text := self._news(event, event.delta, event.text):
            events.append(TextDelta(text=text))

    def on_refusal(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if text := self._news(event, event.delta, event.refusal):
            events.append(RefusalDelta(text=text))

    def on_arguments(self, event: schema.StreamEvent, events: list[Event]) -> None:
        self._arguments(event.output_index, event.delta, event.arguments, events)

    def on_thought(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if not event.delta:
            return
        section = (event.output_index, event.summary_index)
        parted = self._section is not None and self._section[0] == section[0] and self._section != section
        self._section = section
        events.append(ReasoningDelta(text="\n\n" + event.delta if parted else event.delta))

    def on_item_added(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if event.item is not None and event.item.type == "function_call":
            self._call(event.output_index, event.item, events)

    def on_item_done(self, event: schema.StreamEvent, events: list[Event]) -> None:
        item, place = event.item, event.output_index
        if item is None:
            return
        if item.type == "function_call":
            if place not in self._calls:
                self._call(place, item, events)
            self._arguments(place, None, _text(item.arguments) or "{}", events)
        elif item.type == "reasoning":
            heard = self._section is not None and self._section[0] == place
            thought = "" if heard else _thinking(item)
            if thought or item.encrypted_content:
                events.append(ReasoningDelta(text=thought, signature=item.encrypted_content or None))

    def on_end(self, event: schema.StreamEvent, events: list[Event]) -> None:
        self.ended = True
        events.extend(_ending(event.type, event.response or schema.ResponseHead(), bool(self._calls)))

    def on_error(self, event: schema.StreamEvent, events: list[Event]) -> None:
        self.ended = True
        events.append(Failed(error=failure(event.error or _flat(event))))

    def _news(self, event: schema.StreamEvent, delta: str | None, whole: str | None) -> str | None:
        """A delta; or at a part's end all of it, where a server sent no deltas."""
        part = (event.output_index, event.content_index)
        if delta is None and part in self._spoken:
            return None
        self._spoken.add(part)
        return delta if delta is not None else whole

    def _arguments(self, place: int, delta: str | None, whole: str | None, events: list[Event]) -> None:
        call = self._calls.get(place)
        if call is None:
            return
        if delta is None and call not in self._silent:
            return
        text = delta if delta is not None else whole
        if text:
            self._silent.discard(call)
            events.append(ToolCallDelta(index=call, arguments=text))

    def _call(self, place: int, item: schema.AnsweredItem, events: list[Event]) -> None:
        call = self._calls[place] = len(self._calls)
        self._silent.add(call)
        events.append(_call_started(call, item))
        self._arguments(place, None, _text(item.arguments), events)


def _begin(reader: StreamReader, event: schema.StreamEvent, events: list[Event]) -> None:
    """The response itself has told all there is to know."""


_STEPS: dict[str, Callable[[StreamReader, schema.StreamEvent, list[Event]], None]] = {
    "response.created": _begin,
    "response.in_progress": _begin,
    "response.queued": _begin,
    "response.output_text.delta": StreamReader.on_text,
    "response.output_text.done": StreamReader.on_text,
    "response.refusal.delta": StreamReader.on_refusal,
    "response.refusal.done": StreamReader.on_refusal,
    "response.function_call_arguments.delta": StreamReader.on_arguments,
    "response.function_call_arguments.done": StreamReader.on_arguments,
    "response.reasoning_summary_text.delta": StreamReader.on_thought,
    "response.reasoning_text.delta": StreamReader.on_thought,
    "response.output_item.added": StreamReader.on_item_added,
    "response.output_item.done": StreamReader.on_item_done,
    "response.completed": StreamReader.on_end,
    "response.incomplete": StreamReader.on_end,
    "response.failed": StreamReader.on_end,
    "response.cancelled": StreamReader.on_end,
    "error": StreamReader.on_error,
}
_KNOWN_NAMES = frozenset(name.encode() for name in _STEPS)


class WholeReader:
    __slots__ = ("_body",)
    ended = False

    def __init__(self) -> None:
        self._body = WholeBody()

    def feed(self, data: bytes) -> list[Event]:
        self._body.feed(data)
        return []

    def close(self) -> list[Event]:
        response = self._body.decoded(_decode_response, "response")
        if response.status == "failed" or (response.error and response.output is None):
            return [Failed(error=failure(response.error))]
        if response.output is None or response.status in ("queued", "in_progress"):
            raise Malformed("The provider's answer is not a finished response.")
        return [_started(response), *_items(response.output), *_ending_of(response)]


def _items(output: tuple[schema.AnsweredItem, ...]) -> Iterator[Event]:
    calls = 0
    for item in output:
        if item.type == "function_call":
            yield _call_started(calls, item)
            yield ToolCallDelta(index=calls, arguments=_text(item.arguments) or "{}")
            calls += 1
        elif item.type == "reasoning":
            thought = _thinking(item)
            if thought or item.encrypted_content:
                yield ReasoningDelta(text=thought, signature=item.encrypted_content or None)
        elif item.type == "message":
            for part in item.content or ():
                if part.type == "output_text" and part.text:
                    yield TextDelta(text=part.text)
                elif part.type == "refusal" and part.refusal:
                    yield RefusalDelta(text=part.refusal)


def _ending_of(response: schema.Response) -> list[Event]:
    called = any(item.type == "function_call" for item in response.output or ())
    return _ending(f"response.{response.status or 'completed'}", response, called)


def _ending(kind: str, response: schema.ResponseHead, called: bool) -> list[Event]:
    events: list[Event] = []
    if response.usage is not None:
        events.append(UsageReported(usage=read_usage(response.usage)))
    if kind == "response.failed":
        events.append(Failed(error=failure(response.error)))
    elif kind == "response.cancelled":
        events.append(Failed(error=Interrupted("The provider cancelled the response.")))
    else:
        status = kind.removeprefix("response.")
        events.append(Finished(reason=finish_reason(status, incomplete_reason(response), called)))
    return events


def _started(response: schema.ResponseHead) -> Started:
    created = None if response.created_at is None else int(response.created_at)
    return Started(id=response.id or made_up_id("resp_"), model=response.model or "", created=created)


def _call_started(call: int, item: schema.AnsweredItem) -> ToolCallStarted:
    return ToolCallStarted(index=call, id=item.call_id or item.id or made_up_id("call_"), name=item.name or "")


def _thinking(item: schema.AnsweredItem) -> str:
    """The summary; or the thinking itself, which open models give."""
    parts = item.summary or item.content or ()
    return "\n\n".join(part.text for part in parts if part.text)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _flat(event: schema.StreamEvent) -> dict[str, object]:
    """An error event as the specification has it; OpenAI nests what is in it in `error`."""
    return {"message": event.message, "code": event.code, "param": event.param}


def _event(data: bytes) -> schema.StreamEvent | None:
    """None for an event that is none of ours and has fields of other types. Raises `Malformed`."""
    try:
        return _decode_event(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _kind(data) in _STEPS:
            raise Malformed(f"The provider sent a stream event that is none of Responses': {error}.") from None
        return None


def _kind(data: bytes) -> str:
    """Raises `Malformed` for what is no JSON object at all."""
    try:
        return _decode_kind(data).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider sent a stream event that is not JSON: {error}.") from None
