"""Events to a response, streamed (data-plane 16.4) or whole. The end of a stream repeats all of it, so that both are
gathered alike; a whole answer only keeps its announcements to itself."""

from __future__ import annotations

from typing import Any

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
from isthmus.core.request import Chat
from isthmus.core.usage import Usage
from isthmus.errors import GatewayError, Malformed
from isthmus.wire.framing.sse import event as frame
from isthmus.wire.openai_responses.envelope import Envelope, completion_status
from isthmus.wire.openai_responses.output import (
    CallItem,
    ContentKind,
    MessageItem,
    OutputItem,
    ReasoningItem,
    Status,
    written_part,
    written_summary,
)
from isthmus.wire.statuses import openai_error_type

_encode = msgspec.json.encode


class ResponseWriter:
    """One item is open at a time, as OpenAI has it. Only where a provider mixes the arguments of several calls do
    their items stand open beside each other."""

    __slots__ = (
        "_calls",
        "_chat",
        "_delta",
        "_envelope",
        "_failed",
        "_finished",
        "_items",
        "_open",
        "_sequence",
        "_usage",
        "_whole",
    )

    def __init__(self, whole: bool, chat: Chat) -> None:
        self._whole = whole
        self._chat = chat
        self._envelope: Envelope | None = None
        self._items: list[OutputItem] = []
        self._open: MessageItem | ReasoningItem | None = None
        self._delta = b""  # of the open item's deltas, what comes before the sequence number
        self._calls: dict[int, CallItem] = {}
        self._sequence = 0
        self._usage = Usage()
        self._finished: Finished | None = None
        self._failed = False

    def write(self, event: Event) -> bytes:
        match event:
            case TextDelta():
                return self._say("output_text", event.text)
            case ToolCallDelta():
                return self._arguments(event)
            case ReasoningDelta():
                return self._reason(event)
            case RefusalDelta():
                return self._say("refusal", event.text)
            case ToolCallStarted():
                return self._call(event)
            case Started():
                return self._start(event)
            case UsageReported():
                self._usage = event.usage
            case Finished():
                self._finished = event
                return self._leave_all(completion_status(event))
            case Failed():
                return self._fail(event.error)
        return b""

    def close(self) -> bytes:
        """Usage may follow the finish, so that the last event waits for the end."""
        if self._failed or self._envelope is None:
            return b""
        left = self._leave_all(completion_status(self._finished))
        output = [item.written() for item in self._items]
        response = self._envelope.finished(output, self._finished, self._usage)
        if self._whole:
            return _encode(response)
        return left + self._tell(f"response.{response['status']}", {"response": response})

    def _start(self, event: Started) -> bytes:
        self._envelope = Envelope(event, self._chat)
        self._usage = event.usage or self._usage
        response = self._envelope.in_progress()
        created = self._tell("response.created", {"response": response})
        return created + self._tell("response.in_progress", {"response": response})

    def _say(self, kind: ContentKind, text: str) -> bytes:
        item = self._open
        told = b""
        if not isinstance(item, MessageItem):
            told = self._turn_to(item := MessageItem(self._item_id("msg"), len(self._items)))
        if not item.parts or item.parts[-1][0] != kind:
            told += self._leave_part(item)
            item.parts.append((kind, []))
            at = _at(item, content_index=len(item.parts) - 1)
            told += self._tell("response.content_part.added", {**at, "part": written_part(kind, "")})
            self._delta = _delta_head(f"response.{kind}.delta", at, kind == "output_text")
        item.parts[-1][1].append(text)
        return told + self._tell_delta(text)

    def _reason(self, event: ReasoningDelta) -> bytes:
        item = self._open
        told = b""
        if not isinstance(item, ReasoningItem):
            told = self._turn_to(item := ReasoningItem(self._item_id("rs"), len(self._items)))
        if event.text:
            if not item.pieces:
                at = _at(item, summary_index=0)
                told += self._tell("response.reasoning_summary_part.added", {**at, "part": written_summary("")})
                self._delta = _delta_head("response.reasoning_summary_text.delta", at, False)
            item.pieces.append(event.text)
            told += self._tell_delta(event.text)
        if event.signature is not None:
            # A signature ends the thinking that it signs.
            item.signature = event.signature
            told += self._leave("completed")
        return told

    def _call(self, event: ToolCallStarted) -> bytes:
        told = self._leave("completed") + self._leave_calls(None)
        item = CallItem(self._item_id("fc"), len(self._items), event.id, event.name)
        self._items.append(item)
        self._calls[event.index] = item
        return told + self._tell_added(item)

    def _arguments(self, event: ToolCallDelta) -> bytes:
        item = self._calls.get(event.index)
        if item is None:
            raise Malformed("The provider sent arguments for a tool call that it had not begun, or had ended.")
        item.pieces.append(event.arguments)
        fields = {**_at(item), "delta": event.arguments}
        return self._tell("response.function_call_arguments.delta", fields)

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
        kind, pieces = item.parts[-1]
        at = _at(item, content_index=len(item.parts) - 1)
        said: dict[str, Any] = {"refusal": "".join(pieces)}
        if kind == "output_text":
            said = {"text": "".join(pieces), "logprobs": []}
        told = self._tell(f"response.{kind}.done", {**at, **said})
        part = item.part(len(item.parts) - 1)
        return told + self._tell("response.content_part.done", {**at, "part": part})

    def _leave_calls(self, status: Status | None) -> bytes:
        """Ends the calls whose arguments are all there; with a status, at the answer's end, every one."""
        told = b""
        for index, item in list(self._calls.items()):
            if status is not None or item.complete():
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
