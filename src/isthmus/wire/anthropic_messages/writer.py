"""Events to an Anthropic answer, streamed (data-plane 16.2) or whole."""

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
from isthmus.core.usage import Usage
from isthmus.errors import Malformed
from isthmus.wire.anthropic_messages.answer import stop_reason, written_delta_usage, written_usage
from isthmus.wire.anthropic_messages.blocks import tool_id, tool_input
from isthmus.wire.anthropic_messages.errors import write_error
from isthmus.wire.framing.sse import event as frame
from isthmus.wire.json_text import made_up_id, prefixed_id

_encode = msgspec.json.encode


def _message(started: Started, content: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
    """Every field that the specification requires; the end of the answer fills in why it stopped."""
    return {
        "id": prefixed_id("msg_", started.id) if started.id else made_up_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": started.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": written_usage(usage),
    }


def _tool_use(call: ToolCallStarted, arguments: msgspec.Raw | dict[str, str]) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": tool_id(call.id),
        "name": call.name,
        "input": arguments,
        "caller": {"type": "direct"},
    }


class _Call:
    """A tool block that is open, and its arguments so far."""

    __slots__ = ("block", "pieces")

    def __init__(self, block: int) -> None:
        self.block = block
        self.pieces: list[str] = []

    def complete(self) -> bool:
        text = "".join(self.pieces)
        return bool(text) and tool_input(text)[1]


class StreamWriter:
    """One block is open at a time, as Anthropic has it. Only where a provider mixes the arguments of several calls do
    their blocks stand open beside each other, told apart by their index."""

    __slots__ = ("_calls", "_failed", "_finished", "_kind", "_next", "_opened", "_prefix", "_started", "_usage")

    def __init__(self) -> None:
        self._usage = Usage()
        self._kind = ""  # of the text or thinking block that is open
        self._prefix = b""  # of that block's deltas
        self._next = 0
        self._calls: dict[int, _Call] = {}
        self._opened = 0
        self._started = False
        self._finished: Finished | None = None
        self._failed = False

    def write(self, event: Event) -> bytes:
        match event:
            case TextDelta() | RefusalDelta():
                head = self._turn_to("text")
                return head + self._prefix + _encode(event.text) + b"}}\n\n"
            case ToolCallDelta():
                return self._arguments(event)
            case ReasoningDelta():
                return self._reasoning(event)
            case ToolCallStarted():
                return self._call(event)
            case Started():
                self._started = True
                self._usage = event.usage or self._usage
                return _framed("message_start", {"message": _message(event, [], _at_start(self._usage))})
            case UsageReported():
                self._usage = event.usage
            case Finished():
                self._finished = event
                return self._leave() + self._leave_calls(every=True)
            case Failed():
                self._failed = True
                return frame(write_error(event.error, None), b"error")
        return b""

    def close(self) -> bytes:
        """Usage may follow the finish, so that the last events wait for the end."""
        if self._failed or not self._started:
            return b""
        finished = self._finished
        delta = {
            "stop_reason": stop_reason(finished, self._opened > 0),
            "stop_sequence": finished.stop_sequence if finished else None,
            "stop_details": None,
            "container": None,
        }
        return (
            self._leave()
            + self._leave_calls(every=True)
            + _framed("message_delta", {"delta": delta, "usage": written_delta_usage(self._usage)})
            + _framed("message_stop", {})
        )

    def _turn_to(self, kind: str) -> bytes:
        """Opens a block of this kind unless one is open."""
        if self._kind == kind:
            return b""
        left = self._leave() + self._leave_calls(every=False)
        if kind == "text":
            block: dict[str, Any] = {"type": "text", "text": "", "citations": None}
            delta = b'{"type":"text_delta","text":'
        else:
            block = {"type": "thinking", "thinking": "", "signature": ""}
            delta = b'{"type":"thinking_delta","thinking":'
        self._kind = kind
        self._prefix = _delta_prefix(self._next) + delta
        return left + self._open(block)

    def _open(self, block: dict[str, Any]) -> bytes:
        self._next += 1
        return _framed("content_block_start", {"index": self._next - 1, "content_block": block})

    def _leave(self) -> bytes:
        if not self._kind:
            return b""
        self._kind = ""
        return _framed("content_block_stop", {"index": self._next - 1})

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        out = self._turn_to("thinking")
        if event.text:
            out += self._prefix + _encode(event.text) + b"}}\n\n"
        if event.signature is not None:
            # A signature ends its block.
            signature = _encode({"type": "signature_delta", "signature": event.signature})
            out += _delta_prefix(self._next - 1) + signature + b"}\n\n" + self._leave()
        return out

    def _call(self, event: ToolCallStarted) -> bytes:
        left = self._leave() + self._leave_calls(every=False)
        self._calls[event.index] = _Call(self._next)
        self._opened += 1
        return left + self._open(_tool_use(event, {}))

    def _arguments(self, event: ToolCallDelta) -> bytes:
        call = self._calls.get(event.index)
        if call is None:
            raise Malformed("The provider sent arguments for a tool call that it had not begun, or had ended.")
        call.pieces.append(event.arguments)
        text = _encode(event.arguments)
        return _delta_prefix(call.block) + b'{"type":"input_json_delta","partial_json":' + text + b"}}\n\n"

    def _leave_calls(self, *, every: bool) -> bytes:
        """Ends the calls whose arguments are all there; at the answer's end, every one."""
        out = b""
        for index, call in list(self._calls.items()):
            if every or call.complete():
                out += _framed("content_block_stop", {"index": call.block})
                del self._calls[index]
        return out


class WholeWriter:
    __slots__ = ("_blocks", "_calls", "_finished", "_kind", "_started", "_usage")

    def __init__(self) -> None:
        self._started: Started | None = None
        self._usage = Usage()
        self._finished: Finished | None = None
        self._kind = ""
        self._blocks: list[tuple[dict[str, Any], list[str]]] = []
        self._calls: dict[int, list[str]] = {}

    def write(self, event: Event) -> bytes:
        match event:
            case TextDelta() | RefusalDelta():
                self._block("text", {"type": "text", "text": "", "citations": None}).append(event.text)
            case ReasoningDelta():
                self._reasoning(event)
            case ToolCallStarted():
                self._kind = ""
                self._calls[event.index] = self._block("tool_use", _tool_use(event, {}))
            case ToolCallDelta():
                if event.index not in self._calls:
                    raise Malformed("The provider sent arguments for a tool call that it had not begun.")
                self._calls[event.index].append(event.arguments)
            case Started():
                self._started = event
                self._usage = event.usage or self._usage
            case UsageReported():
                self._usage = event.usage
            case Finished():
                self._finished = event
            case Failed():
                raise event.error
        return b""

    def close(self) -> bytes:
        if self._started is None:
            return b""
        for block, pieces in self._blocks:
            text = "".join(pieces)
            if block["type"] == "tool_use":
                block["input"] = tool_input(text)[0]
            else:
                block[block["type"]] = text
        message = _message(self._started, [block for block, _ in self._blocks], self._usage)
        message["stop_reason"] = stop_reason(self._finished, bool(self._calls))
        message["stop_sequence"] = self._finished.stop_sequence if self._finished else None
        return _encode(message)

    def _block(self, kind: str, fresh: dict[str, Any]) -> list[str]:
        """The pieces of the block of this kind that is open; else `fresh` is opened."""
        if self._kind != kind:
            self._kind = kind
            self._blocks.append((fresh, []))
        return self._blocks[-1][1]

    def _reasoning(self, event: ReasoningDelta) -> None:
        pieces = self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        pieces.append(event.text)
        if event.signature is not None:
            self._blocks[-1][0]["signature"] = event.signature
            self._kind = ""


def _at_start(usage: Usage) -> Usage:
    return msgspec.structs.replace(usage, output_tokens=0, reasoning_tokens=0)


def _framed(kind: str, fields: dict[str, Any]) -> bytes:
    return frame(_encode({"type": kind, **fields}), kind.encode())


def _delta_prefix(block: int) -> bytes:
    """Of a delta's frame, up to the delta itself: written as text, since there is one for each token."""
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % block
