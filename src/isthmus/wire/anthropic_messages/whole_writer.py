"""Events to a whole Anthropic answer."""

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
from isthmus.core.chat.request import Chat
from isthmus.core.chat.usage import Usage
from isthmus.errors import Malformed
from isthmus.wire.anthropic_messages.answer import message, stopped, tool_use
from isthmus.wire.anthropic_messages.parts.calls import tool_input
from isthmus.wire.anthropic_messages.parts.citations import answered_citation
from isthmus.wire.anthropic_messages.parts.hosted_tools import answered_blocks
from isthmus.wire.anthropic_messages.parts.signatures import NOTHING, sealed
from isthmus.wire.anthropic_messages.parts.visibility import shown_thinking
from isthmus.wire.custom_tools import wrapped

Json = dict[str, Any]


class _Call:
    __slots__ = ("block", "custom", "pieces")

    def __init__(self, block: Json, custom: bool) -> None:
        self.block = block
        self.custom = custom
        self.pieces: list[str] = []


class WholeWriter:
    __slots__ = ("_blocks", "_calls", "_chat", "_finished", "_open", "_pieces", "_started", "_usage")

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._started: Started | None = None
        self._usage = Usage()
        self._finished: Finished | None = None
        self._blocks: list[Json] = []
        self._open: Json | None = None  # the text or thinking block that goes on
        self._pieces: list[str] = []  # of it
        self._calls: dict[int, _Call] = {}

    def write(self, event: Event) -> bytes:
        match event:
            case TextDelta() | RefusalDelta():
                self._turn_to("text")
                self._pieces.append(event.text)
            case ReasoningDelta():
                self._reasoning(event)
            case ToolCallStarted():
                block = tool_use(event)
                self._add(block)
                self._calls[event.index] = _Call(block, event.custom)
            case ToolCallDelta():
                if event.index not in self._calls:
                    raise Malformed("The provider sent arguments for a tool call that it had not begun.")
                self._calls[event.index].pieces.append(event.arguments)
            case Cited():
                self._source(event)
            case HostedToolUsed():
                self._add(*answered_blocks(event.use))
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
        self._leave()
        while len(self._blocks) > 1 and self._blocks[-1].get("thinking") == "":
            self._blocks.pop()  # a late signature: see StreamWriter
        for call in self._calls.values():
            text = "".join(call.pieces)
            call.block["input"] = tool_input(wrapped(text) if call.custom else text)[0]
        answer = message(self._started, self._blocks, self._usage)
        return msgspec.json.encode(answer | stopped(self._finished, bool(self._calls)))

    def _add(self, *blocks: Json) -> None:
        if blocks:
            self._leave()
            self._blocks += blocks

    def _turn_to(self, kind: str) -> Json:
        """The block of this kind that is open, else a new one. What follows a text's sources is another text."""
        block = self._open
        if block is None or block["type"] != kind or block.get("citations"):
            if kind == "text":
                block = {"type": "text", "text": "", "citations": None}
            else:
                block = {"type": "thinking", "thinking": "", "signature": NOTHING}
            self._add(block)
            self._open = block
        return block

    def _leave(self) -> None:
        if self._open is not None:
            self._open[self._open["type"]] = "".join(self._pieces)
        self._open = None
        self._pieces = []

    def _reasoning(self, event: ReasoningDelta) -> None:
        thought = shown_thinking(event, self._chat)
        if thought is None:
            return
        if thought.redacted:
            self._add({"type": "redacted_thinking", "data": sealed(thought.signature)})
            return
        block = self._turn_to("thinking")
        self._pieces.append(thought.text)
        if thought.signature is not None:
            # A signature ends its block.
            block["signature"] = sealed(thought.signature)
            self._leave()

    def _source(self, event: Cited) -> None:
        """Some providers tell the sources when all is said: they belong to the last text, whatever came after it."""
        citation = answered_citation(event.citation)
        block = next((block for block in reversed(self._blocks) if block["type"] == "text"), None)
        if citation is not None and block is not None:
            block["citations"] = [*(block["citations"] or ()), citation]
