"""Events to a response, streamed (data-plane 16.4) or whole. The end of a stream repeats all of it, so that both are
gathered alike; a whole answer only keeps its announcements to itself."""

from __future__ import annotations

from typing import Any

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
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.part import HostedToolUse, Opaque
from isthmus.core.chat.request import Chat, CustomTool
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError, Malformed, Unavailable
from isthmus.wire.framing.sse import event as frame
from isthmus.wire.openai_responses.answer import written_logprobs
from isthmus.wire.openai_responses.envelope import Envelope, incomplete_reason
from isthmus.wire.openai_responses.opaque import WEB_SEARCH, own_item, search_item
from isthmus.wire.openai_responses.output import (
    CallItem,
    ContentKind,
    HostedItem,
    MessageItem,
    MessagePart,
    OutputItem,
    ReasoningItem,
    Status,
    written_summary,
)
from isthmus.wire.sealed import seal_id
from isthmus.wire.statuses import openai_error_type

_encode = msgspec.json.encode

# Reasons for which an answer failed, though its provider gave one.
_FAILURES = {
    "error": "The provider reported an error.",
    "malformed_tool_call": "The model wrote a tool call that its provider could not read.",
}


# OpenAI looks for thinking by its id, where nothing else proves it: ours are marked, so that a relay leaves them out.
_NOT_OPENAIS = Opaque(origin="none", data="")


class ResponseWriter:
    """One item is open at a time, as OpenAI has it. Only where a provider mixes the arguments of several calls do
    their items stand open beside each other."""

    __slots__ = (
        "_calls",
        "_chat",
        "_customs",
        "_delta",
        "_envelope",
        "_failed",
        "_finished",
        "_items",
        "_open",
        "_said",
        "_sequence",
        "_usage",
        "_whole",
    )

    def __init__(self, whole: bool, chat: Chat) -> None:
        self._whole = whole
        self._chat = chat
        self._customs = frozenset(tool.name for tool in chat.tools if isinstance(tool, CustomTool))
        self._envelope: Envelope | None = None
        self._items: list[OutputItem] = []
        self._open: MessageItem | ReasoningItem | None = None
        self._delta = b""  # of the open item's deltas, what comes before the sequence number
        self._calls: dict[int, CallItem] = {}
        self._said = 0  # characters of text so far
        self._sequence = 0
        self._usage = Usage()
        self._finished: Finished | None = None
        self._failed = False

    def write(self, event: Event) -> bytes:
        match event:
            case TextDelta():
                return self._say("output_text", event.text, event.logprobs)
            case ToolCallDelta():
                return self._arguments(event)
            case ReasoningDelta():
                return self._reason(event)
            case RefusalDelta():
                return self._say("refusal", event.text)
            case ToolCallStarted():
                return self._call(event)
            case Cited():
                return self._cite(event)
            case HostedToolUsed():
                return self._hosted(event.use)
            case Started():
                return self._start(event)
            case UsageReported():
                self._usage = event.usage
            case Finished():
                self._finished = event
                return self._leave_all(self._status())
            case Failed():
                return self._fail(event.error)
        return b""

    def close(self) -> bytes:
        """Usage may follow the finish, so that the last event waits for the end."""
        if self._failed or self._envelope is None:
            return b""
        left = self._leave_all(self._status())
        output = [item.written() for item in self._items]
        failure = self._failure()
        if failure is not None:
            response = self._envelope.failed(output, failure, self._usage)
        else:
            response = self._envelope.finished(output, self._incomplete(), self._usage)
        if self._whole:
            return _encode(response)
        return left + self._tell(f"response.{response['status']}", {"response": response})

    def _status(self) -> Status:
        return "completed" if self._incomplete() is None and self._failure() is None else "incomplete"

    def _incomplete(self) -> str | None:
        refused = any(
            part.kind == "refusal" for item in self._items if isinstance(item, MessageItem) for part in item.parts
        )
        return incomplete_reason(self._finished, refused)

    def _failure(self) -> GatewayError | None:
        if self._finished is None or self._finished.reason not in _FAILURES:
            return None
        return Unavailable(_FAILURES[self._finished.reason])

    def _start(self, event: Started) -> bytes:
        self._envelope = Envelope(event, self._chat)
        self._usage = event.usage or self._usage
        response = self._envelope.in_progress(self._usage)
        created = self._tell("response.created", {"response": response})
        return created + self._tell("response.in_progress", {"response": response})

    def _say(self, kind: ContentKind, text: str, logprobs: tuple[TokenLogprob, ...] = ()) -> bytes:
        item = self._open
        told = b""
        if not isinstance(item, MessageItem):
            told = self._turn_to(item := MessageItem(self._item_id("msg"), len(self._items)))
        if not item.parts or item.parts[-1].kind != kind:
            told += self._leave_part(item)
            part = MessagePart(kind, self._said)
            item.parts.append(part)
            at = _at(item, content_index=len(item.parts) - 1)
            told += self._tell("response.content_part.added", {**at, "part": part.written()})
            self._delta = _delta_head(f"response.{kind}.delta", at, kind == "output_text")
        part = item.parts[-1]
        part.pieces.append(text)
        if kind == "output_text":
            self._said += len(text)
        if not logprobs:
            return told + self._tell_delta(text)
        part.logprobs += logprobs
        at = _at(item, content_index=len(item.parts) - 1)
        fields = {**at, "delta": text, "logprobs": written_logprobs(logprobs)}
        return told + self._tell("response.output_text.delta", fields)

    def _cite(self, event: Cited) -> bytes:
        """Some providers tell the sources when all is said: they belong to the last text, whatever came after it."""
        messages = (item for item in reversed(self._items) if isinstance(item, MessageItem))
        for item in messages:
            for index, part in reversed(list(enumerate(item.parts))):
                if part.kind != "output_text":
                    continue
                annotation = part.cite(event.citation)
                if annotation is None:
                    return b""
                at = _at(item, content_index=index, annotation_index=len(part.annotations) - 1)
                return self._tell("response.output_text.annotation.added", {**at, "annotation": annotation})
        return b""

    def _reason(self, event: ReasoningDelta) -> bytes:
        item = self._open
        told = b""
        if not isinstance(item, ReasoningItem) or (event.redacted and item.pieces):
            item_id = seal_id(self._item_id("rs"), _NOT_OPENAIS)
            item = ReasoningItem(item_id, len(self._items), kept=self._chat.keep_reasoning)
            told = self._turn_to(item)
        if event.text:
            if not item.pieces:
                at = _at(item, summary_index=0)
                told += self._tell("response.reasoning_summary_part.added", {**at, "part": written_summary("")})
                self._delta = _delta_head("response.reasoning_summary_text.delta", at, False)
            item.pieces.append(event.text)
            told += self._tell_delta(event.text)
        if event.signature is not None:
            # A signature ends the thinking that it signs.
            item.signature, item.redacted = event.signature, event.redacted
            told += self._leave("completed")
        return told

    def _call(self, event: ToolCallStarted) -> bytes:
        told = self._leave("completed") + self._leave_calls(None, free_text=False)
        custom = event.custom or event.name in self._customs
        item_id = self._item_id("ctc" if custom else "fc")
        item = CallItem(item_id, len(self._items), event, custom=custom)
        self._items.append(item)
        self._calls[event.index] = item
        return told + self._tell_added(item)

    def _arguments(self, event: ToolCallDelta) -> bytes:
        item = self._calls.get(event.index)
        if item is None:
            raise Malformed("The provider sent arguments for a tool call that it had not begun, or had ended.")
        return self._tell_arguments(item, item.add(event.arguments))

    def _tell_arguments(self, item: CallItem, text: str) -> bytes:
        if not text:
            return b""
        kind = "response.custom_tool_call_input.delta" if item.custom else "response.function_call_arguments.delta"
        return self._tell(kind, {**_at(item), "delta": text})

    def _hosted(self, use: HostedToolUse) -> bytes:
        written = own_item(use)
        if written is None:
            if use.tool != WEB_SEARCH:
                return b""
            written = search_item(use, self._item_id("ws"))
        told = self._leave("completed") + self._leave_calls(None)
        item = HostedItem(written, len(self._items))
        self._items.append(item)
        told += self._tell("response.output_item.added", {"output_index": item.place, "item": item.begun()})
        if item.kind == "web_search_call":
            for step in ("in_progress", "searching", "completed"):
                told += self._tell(f"response.web_search_call.{step}", _at(item))
        return told + self._tell_done(item, "completed")

    def _turn_to(self, item: MessageItem | ReasoningItem) -> bytes:
        told = self._leave("completed") + self._leave_calls(None)
        self._open = item
        self._items.append(item)
        return told + self._tell_added(item)

    def _leave_all(self, status: Status) -> bytes:
        return self._leave(status) + self._leave_calls(status)

    def _leave(self, status: Status) -> bytes:
        item, self._open = self._open, None
        if item is None:
            return b""
        if isinstance(item, MessageItem):
            return self._leave_part(item) + self._tell_done(item, status)
        told = b""
        if item.pieces:
            at = _at(item, summary_index=0)
            told += self._tell("response.reasoning_summary_text.done", {**at, "text": item.text})
            part = written_summary(item.text)
            told += self._tell("response.reasoning_summary_part.done", {**at, "part": part})
        return told + self._tell_done(item, status)

    def _leave_part(self, item: MessageItem) -> bytes:
        if not item.parts:
            return b""
        part = item.parts[-1]
        at = _at(item, content_index=len(item.parts) - 1)
        said: dict[str, Any] = {"refusal": part.text}
        if part.kind == "output_text":
            said = {"text": part.text, "logprobs": written_logprobs(part.logprobs)}
        told = self._tell(f"response.{part.kind}.done", {**at, **said})
        return told + self._tell("response.content_part.done", {**at, "part": part.written()})

    def _leave_calls(self, status: Status | None, *, free_text: bool = True) -> bytes:
        """Ends the calls whose arguments are all there; with a status, at the answer's end, every one. Free text does
        not show its end: beside other calls it may go on."""
        told = b""
        for index, item in list(self._calls.items()):
            if status is None and not item.complete(free_text):
                continue
            told += self._tell_arguments(item, item.end())
            if item.custom:
                told += self._tell("response.custom_tool_call_input.done", {**_at(item), "input": item.arguments})
            else:
                fields = {**_at(item), "name": item.name, "arguments": item.arguments}
                told += self._tell("response.function_call_arguments.done", fields)
            told += self._tell_done(item, status or "completed")
            del self._calls[index]
        return told

    def _fail(self, error: GatewayError) -> bytes:
        """`error`, which OpenAI's libraries raise, and then `response.failed`, on which others wait: as OpenAI does.
        What the error says stands in it flat (OpenAI's specification) and nested (its practice, Open Responses)."""
        if self._whole:
            raise error
        self._failed = True
        stated = {"code": str(error.code), "message": error.message, "param": error.param}
        nested = {"type": error.kind or openai_error_type(error.status), **stated}
        told = self._tell("error", {**stated, "error": nested})
        if self._envelope is None:
            return told
        for item in self._items:
            item.status = "completed" if item.status == "completed" else "incomplete"
        output = [item.written() for item in self._items]
        response = self._envelope.failed(output, error, self._usage)
        return told + self._tell("response.failed", {"response": response})

    def _item_id(self, prefix: str) -> str:
        response = self._envelope.suffix if self._envelope is not None else ""
        return f"{prefix}_{response}_{len(self._items)}"

    def _tell_added(self, item: OutputItem) -> bytes:
        return self._tell("response.output_item.added", {"output_index": item.place, "item": item.written()})

    def _tell_done(self, item: OutputItem, status: Status) -> bytes:
        item.status = status
        return self._tell("response.output_item.done", {"output_index": item.place, "item": item.written()})

    def _tell_delta(self, text: str) -> bytes:
        if self._whole:
            return b""
        self._sequence += 1
        return b'%b%d,"delta":%b}\n\n' % (self._delta, self._sequence - 1, _encode(text))

    def _tell(self, kind: str, fields: dict[str, Any]) -> bytes:
        if self._whole:
            return b""
        self._sequence += 1
        told = {"type": kind, "sequence_number": self._sequence - 1, **fields}
        return frame(_encode(told), kind.encode())


def _at(item: OutputItem, **index: int) -> dict[str, Any]:
    return {"item_id": item.item_id, "output_index": item.place, **index}


def _delta_head(kind: str, at: dict[str, Any], logprobs: bool) -> bytes:
    """A delta's frame up to its sequence number: written as text, since there is one for each token."""
    fields = {"type": kind, **at, **({"logprobs": []} if logprobs else {})}
    head = _encode(fields)[:-1]
    return b"event: " + kind.encode() + b"\ndata: " + head + b',"sequence_number":'
