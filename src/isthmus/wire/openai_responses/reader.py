"""OpenAI's responses, streamed or whole, to events. Events that tell nothing of text, thinking, sources or calls are
passed over; so are items while they are at work, until they are done."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from isthmus.core.chat.event import (
    Cited,
    Event,
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.part import HostedToolUse
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.framing.sse import DONE, ServerSentEvents
from isthmus.wire.framing.whole import WholeBody
from isthmus.wire.json_text import made_up_id
from isthmus.wire.openai_responses import schema
from isthmus.wire.openai_responses.answer import (
    CALLS,
    failure,
    finished,
    incomplete_reason,
    read_logprobs,
    read_usage,
)
from isthmus.wire.openai_responses.opaque import count_searches, read_annotation, read_hosted, read_signature
from isthmus.wire.openai_responses.tools import joined_name

_READ = CALLS | {"message", "reasoning"}

_decode_event = msgspec.json.Decoder(schema.StreamEvent).decode
_decode_item = msgspec.json.Decoder(schema.AnsweredItem).decode
_decode_kind = msgspec.json.Decoder(schema.Kind).decode
_decode_response = msgspec.json.Decoder(schema.Response).decode


class StreamReader:
    """Items are told apart by their place in the output: some proxies give the same item another id in each event."""

    __slots__ = (
        "_before",
        "_calls",
        "_cited",
        "_frames",
        "_hosted",
        "_said",
        "_section",
        "_silent",
        "_spoken",
        "_started",
        "ended",
    )

    def __init__(self) -> None:
        self._frames = ServerSentEvents()
        self._calls: dict[int, int] = {}  # place in the output → call index
        self._silent: set[int] = set()  # calls whose arguments have not begun
        self._spoken: set[tuple[int, int]] = set()  # parts that came in deltas
        self._before: dict[tuple[int, int], int] = {}  # part → how much text came before it
        self._said = 0  # characters of text so far
        self._cited: dict[tuple[int, int], int] = {}  # part → how many of its sources came by themselves
        self._section: tuple[int, int] | None = None  # of the thinking that came last
        self._hosted: list[HostedToolUse] = []
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

    def _on_text(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if text := self._news(event, event.delta, event.text):
            self._before.setdefault((event.output_index, event.content_index), self._said)
            self._said += len(text)
            events.append(TextDelta(text=text, logprobs=read_logprobs(event.logprobs) if event.logprobs else ()))

    def _on_annotation(self, event: schema.StreamEvent, events: list[Event]) -> None:
        part = (event.output_index, event.content_index)
        self._cited[part] = self._cited.get(part, 0) + 1
        self._cite(part, event.annotation, events)

    def _on_refusal(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if text := self._news(event, event.delta, event.refusal):
            events.append(RefusalDelta(text=text))

    def _on_arguments(self, event: schema.StreamEvent, events: list[Event]) -> None:
        whole = event.arguments if event.arguments is not None else event.input
        self._arguments(event.output_index, event.delta, whole, events)

    def _on_thought(self, event: schema.StreamEvent, events: list[Event]) -> None:
        if not event.delta:
            return
        section = (event.output_index, event.summary_index)
        parted = self._section is not None and self._section[0] == section[0] and self._section != section
        self._section = section
        events.append(ReasoningDelta(text="\n\n" + event.delta if parted else event.delta))

    def _on_item_added(self, event: schema.StreamEvent, events: list[Event]) -> None:
        raw = bytes(event.item)
        if raw and _kind_of_item(raw) in CALLS:
            self._call(event.output_index, _item(raw), events)

    def _on_item_done(self, event: schema.StreamEvent, events: list[Event]) -> None:
        raw, place = bytes(event.item), event.output_index
        kind = _kind_of_item(raw)
        if not kind:
            return
        if kind not in _READ:
            use = read_hosted(raw)
            if use is not None:
                self._hosted.append(use)
                events.append(HostedToolUsed(use=use))
            return
        item = _item(raw)
        if kind in CALLS:
            if place not in self._calls:
                self._call(place, item, events)
            self._arguments(place, None, _arguments_of(item), events)
        elif kind == "reasoning":
            heard = self._section is not None and self._section[0] == place
            events += _thought(item, heard)
        else:
            self._cite_late(place, item, events)

    def _on_end(self, event: schema.StreamEvent, events: list[Event]) -> None:
        self.ended = True
        response = event.response or schema.ResponseHead()
        events += _ending(event.type, response, bool(self._calls), count_searches(self._hosted))

    def _on_error(self, event: schema.StreamEvent, events: list[Event]) -> None:
        self.ended = True
        events.append(Failed(error=failure(event.error or _flat(event))))

    def _news(self, event: schema.StreamEvent, delta: str | None, whole: str | None) -> str | None:
        """A delta; or at a part's end all of it, where a server sent no deltas."""
        part = (event.output_index, event.content_index)
        if delta is None and part in self._spoken:
            return None
        self._spoken.add(part)
        return delta if delta is not None else whole

    def _cite(self, part: tuple[int, int], annotation: object, events: list[Event]) -> None:
        citation = read_annotation(annotation, self._before.get(part, self._said))
        if citation is not None:
            events.append(Cited(citation=citation))

    def _cite_late(self, place: int, item: schema.AnsweredItem, events: list[Event]) -> None:
        """Some servers tell a text's sources only with all of it."""
        for index, content in enumerate(item.content or ()):
            part = (place, index)
            for annotation in (content.annotations or ())[self._cited.get(part, 0) :]:
                self._cite(part, annotation, events)

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
        self._arguments(place, None, _text(item.input) or _text(item.arguments), events)


_STEPS: dict[str, Callable[[StreamReader, schema.StreamEvent, list[Event]], None]] = {
    "response.output_text.delta": StreamReader._on_text,
    "response.output_text.done": StreamReader._on_text,
    "response.output_text.annotation.added": StreamReader._on_annotation,
    "response.refusal.delta": StreamReader._on_refusal,
    "response.refusal.done": StreamReader._on_refusal,
    "response.function_call_arguments.delta": StreamReader._on_arguments,
    "response.function_call_arguments.done": StreamReader._on_arguments,
    "response.custom_tool_call_input.delta": StreamReader._on_arguments,
    "response.custom_tool_call_input.done": StreamReader._on_arguments,
    "response.reasoning_summary_text.delta": StreamReader._on_thought,
    "response.reasoning_text.delta": StreamReader._on_thought,
    "response.output_item.added": StreamReader._on_item_added,
    "response.output_item.done": StreamReader._on_item_done,
    "response.completed": StreamReader._on_end,
    "response.incomplete": StreamReader._on_end,
    "response.failed": StreamReader._on_end,
    "response.cancelled": StreamReader._on_end,
    "error": StreamReader._on_error,
}
# What begins a response: it has told all there is to know by being there.
_BEGINNINGS = frozenset((b"response.created", b"response.in_progress", b"response.queued"))
_KNOWN_NAMES = _BEGINNINGS | {name.encode() for name in _STEPS}


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
        events: list[Event] = [_started(response)]
        output = _Output(events)
        for raw in response.output:
            output.read(bytes(raw))
        kind = f"response.{response.status or 'completed'}"
        return events + _ending(kind, response, bool(output.calls), count_searches(output.hosted))


class _Output:
    """The items of a whole answer to events."""

    __slots__ = ("_events", "_said", "calls", "hosted")

    def __init__(self, events: list[Event]) -> None:
        self._events = events
        self._said = 0
        self.calls = 0
        self.hosted: list[HostedToolUse] = []

    def read(self, raw: bytes) -> None:
        kind = _kind_of_item(raw)
        if kind not in _READ:
            use = read_hosted(raw) if kind else None
            if use is not None:
                self.hosted.append(use)
                self._events.append(HostedToolUsed(use=use))
            return
        item = _item(raw)
        if kind in CALLS:
            self._events.append(_call_started(self.calls, item))
            if arguments := _arguments_of(item):
                self._events.append(ToolCallDelta(index=self.calls, arguments=arguments))
            self.calls += 1
        elif kind == "reasoning":
            self._events += _thought(item, False)
        else:
            for content in item.content or ():
                self._content(content)

    def _content(self, content: schema.AnsweredContent) -> None:
        if content.type == "refusal" and content.refusal:
            self._events.append(RefusalDelta(text=content.refusal))
        if content.type != "output_text" or not content.text:
            return
        self._events.append(TextDelta(text=content.text, logprobs=read_logprobs(content.logprobs)))
        for annotation in content.annotations or ():
            citation = read_annotation(annotation, self._said)
            if citation is not None:
                self._events.append(Cited(citation=citation))
        self._said += len(content.text)


def _ending(kind: str, response: schema.ResponseHead, called: bool, searches: int) -> list[Event]:
    events: list[Event] = []
    if response.usage is not None:
        events.append(UsageReported(usage=read_usage(response.usage, response.service_tier, searches)))
    if kind == "response.failed":
        events.append(Failed(error=failure(response.error)))
    elif kind == "response.cancelled":
        events.append(Failed(error=Interrupted("The provider cancelled the response.")))
    else:
        events.append(_finished(kind, response, called))
    return events


def _finished(kind: str, response: schema.ResponseHead, called: bool) -> Finished:
    return finished(kind.removeprefix("response."), incomplete_reason(response), called)


def _started(response: schema.ResponseHead) -> Started:
    created = None if response.created_at is None else int(response.created_at)
    return Started(id=response.id or made_up_id("resp_"), model=response.model or "", created=created)


def _call_started(call: int, item: schema.AnsweredItem) -> ToolCallStarted:
    return ToolCallStarted(
        index=call,
        id=item.call_id or item.id or made_up_id("call_"),
        name=joined_name(item.namespace, item.name or ""),
        custom=item.type == "custom_tool_call",
    )


def _arguments_of(item: schema.AnsweredItem) -> str:
    if item.type == "custom_tool_call":
        return item.input or ""
    if isinstance(item.arguments, dict):
        return msgspec.json.encode(item.arguments).decode()
    return _text(item.arguments) or "{}"


def _thought(item: schema.AnsweredItem, heard: bool) -> list[Event]:
    """The summary; or the thinking itself, which open models give. What was heard already is not said again."""
    parts = item.summary or item.content or ()
    text = "\n\n".join(part.text for part in parts if part.text)
    signature, redacted = None, False
    if item.encrypted_content:
        signature, redacted = read_signature(item.id, item.encrypted_content, "heard" if heard else text)
    news = "" if heard else text
    return [ReasoningDelta(text=news, signature=signature, redacted=redacted)] if news or signature else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _flat(event: schema.StreamEvent) -> dict[str, object]:
    """An error event as the specification has it; OpenAI nests what is in it in `error`."""
    return {"message": event.message, "code": event.code, "param": event.param}


def _item(raw: bytes) -> schema.AnsweredItem:
    """Raises `Malformed`."""
    try:
        return _decode_item(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider sent an item that is none of Responses': {error}.") from None


def _kind_of_item(raw: bytes) -> str:
    """Empty for what is no item at all."""
    try:
        return _decode_kind(raw).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _event(data: bytes) -> schema.StreamEvent | None:
    """None for an event that is none of ours and has fields of other types. Raises `Malformed`."""
    try:
        return _decode_event(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = _kind(data)
        if kind in _STEPS or kind.encode() in _BEGINNINGS:
            raise Malformed(f"The provider sent a stream event that is none of Responses': {error}.") from None
        return None


def _kind(data: bytes) -> str:
    """Raises `Malformed` for what is no JSON object at all."""
    try:
        return _decode_kind(data).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider sent a stream event that is not JSON: {error}.") from None
