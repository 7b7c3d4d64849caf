"""Events to a streamed Anthropic answer (data-plane 16.2). A whole one is written in `whole_writer`."""

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
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.part import HostedToolUse
from isthmus.core.chat.request import Chat
from isthmus.core.chat.usage import Usage
from isthmus.errors import Malformed
from isthmus.wire.anthropic_messages.answer import message, stopped, tool_use, written_delta_usage
from isthmus.wire.anthropic_messages.errors import write_error
from isthmus.wire.anthropic_messages.parts.calls import tool_input
from isthmus.wire.anthropic_messages.parts.citations import answered_citation
from isthmus.wire.anthropic_messages.parts.hosted_tools import CALLS, answered_blocks
from isthmus.wire.anthropic_messages.parts.signatures import NOTHING, sealed
from isthmus.wire.anthropic_messages.parts.visibility import shown_thinking
from isthmus.wire.custom_tools import wrapped
from isthmus.wire.framing.sse import event as frame

_encode = msgspec.json.encode


class _Call:
    """A tool block that is open, and its arguments so far."""

    __slots__ = ("block", "custom", "pieces")

    def __init__(self, block: int, custom: bool) -> None:
        self.block = block
        self.custom = custom
        self.pieces: list[str] = []

    def complete(self) -> bool:
        text = "".join(self.pieces)
        return not self.custom and bool(text) and tool_input(text)[1]


class StreamWriter:
    """One block is open at a time, as Anthropic has it. Only where a provider mixes the arguments of several calls do
    their blocks stand open beside each other, told apart by their index.

    A signature that comes alone when something has been said, as Google's do, waits for what follows, and is left out
    where nothing does: callers (Claude Code among them) take an answer's last block for its words."""

    __slots__ = (
        "_calls",
        "_chat",
        "_cited",
        "_failed",
        "_finished",
        "_kind",
        "_late",
        "_next",
        "_opened",
        "_prefix",
        "_started",
        "_usage",
    )

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._usage = Usage()
        self._kind = ""  # of the text or thinking block that is open
        self._cited = False  # the text block that is open has its sources: what follows is another
        self._prefix = b""  # of that block's deltas
        self._late: list[ReasoningDelta] = []  # signatures that wait
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
            case Cited():
                return self._source(event)
            case HostedToolUsed():
                return self._hosted(event.use)
            case Started():
                self._started = True
                self._usage = event.usage or self._usage
                return _framed("message_start", {"message": message(event, [], _at_start(self._usage))})
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
        delta = stopped(self._finished, self._opened > 0)
        return (
            self._leave()
            + self._leave_calls(every=True)
            + _framed("message_delta", {"delta": delta, "usage": written_delta_usage(self._usage)})
            + _framed("message_stop", {})
        )

    def _turn_to(self, kind: str) -> bytes:
        """Opens a block of this kind unless one is open."""
        if self._kind == kind and not self._cited and not self._late:
            return b""
        left = self._make_room()
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

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _delta_prefix(self._next - 1) + _encode(delta) + b"}\n\n"

    def _stop(self) -> bytes:
        return _framed("content_block_stop", {"index": self._next - 1})

    def _leave(self) -> bytes:
        """Thinking that nobody signed says so, for the turn in which it comes back."""
        if not self._kind:
            return b""
        signed = self._delta({"type": "signature_delta", "signature": NOTHING}) if self._kind == "thinking" else b""
        self._kind = ""
        self._cited = False
        return signed + self._stop()

    def _make_room(self) -> bytes:
        """For another block: what is open is ended, and what waited for one more block comes before it."""
        waited, self._late = self._late, []
        left = self._leave() + self._leave_calls(every=False)
        return left + b"".join(map(self._thought, waited))

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        thought = shown_thinking(event, self._chat)
        if thought is None:
            return b""
        if thought.redacted:
            left = self._make_room()
            return left + self._open({"type": "redacted_thinking", "data": sealed(thought.signature)}) + self._stop()
        if not thought.text and self._next and self._kind != "thinking":
            self._late.append(thought)
            return b""
        return self._thought(thought)

    def _thought(self, thought: ReasoningDelta) -> bytes:
        out = self._turn_to("thinking")
        if thought.text:
            out += self._prefix + _encode(thought.text) + b"}}\n\n"
        if thought.signature is not None:
            # A signature ends its block.
            out += self._delta({"type": "signature_delta", "signature": sealed(thought.signature)}) + self._stop()
            self._kind = ""
        return out

    def _source(self, event: Cited) -> bytes:
        """A source that comes when its text has been left has no place any more."""
        citation = answered_citation(event.citation)
        if citation is None or self._kind != "text":
            return b""
        self._cited = True
        return self._delta({"type": "citations_delta", "citation": citation})

    def _hosted(self, use: HostedToolUse) -> bytes:
        out = b""
        for block in answered_blocks(use):
            if not out:
                out = self._make_room()
            given = block.get("input")
            if block.get("type") in CALLS and isinstance(given, dict):
                out += self._open(block | {"input": {}})
                out += self._delta({"type": "input_json_delta", "partial_json": _encode(given).decode()})
            else:
                out += self._open(block)
            out += self._stop()
        return out

    def _call(self, event: ToolCallStarted) -> bytes:
        left = self._make_room()
        self._calls[event.index] = _Call(self._next, event.custom)
        self._opened += 1
        return left + self._open(tool_use(event))

    def _arguments(self, event: ToolCallDelta) -> bytes:
        call = self._calls.get(event.index)
        if call is None:
            raise Malformed("The provider sent arguments for a tool call that it had not begun, or had ended.")
        call.pieces.append(event.arguments)
        return b"" if call.custom else _input_delta(call.block, event.arguments)

    def _leave_calls(self, *, every: bool) -> bytes:
        """Ends the calls whose arguments are all there; at the answer's end, every one. Free text becomes JSON when
        there is no more of it."""
        out = b""
        for index, call in list(self._calls.items()):
            if every or call.complete():
                if call.custom:
                    out += _input_delta(call.block, wrapped("".join(call.pieces)))
                out += _framed("content_block_stop", {"index": call.block})
                del self._calls[index]
        return out


def _at_start(usage: Usage) -> Usage:
    return msgspec.structs.replace(usage, output_tokens=0, reasoning_tokens=0)


def _framed(kind: str, fields: dict[str, Any]) -> bytes:
    return frame(_encode({"type": kind, **fields}), kind.encode())


def _delta_prefix(block: int) -> bytes:
    """Of a delta's frame, up to the delta itself: written as text, since there is one for each token."""
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % block


def _input_delta(block: int, text: str) -> bytes:
    return _delta_prefix(block) + b'{"type":"input_json_delta","partial_json":' + _encode(text) + b"}}\n\n"
