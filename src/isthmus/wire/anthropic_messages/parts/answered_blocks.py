"""The content blocks of an answer that is being read: what stands in their beginning, and what waits for their end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from isthmus.core.chat.event import (
    Cited,
    Event,
    HostedToolUsed,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from isthmus.core.chat.part import Citation
from isthmus.errors import Malformed
from isthmus.wire.anthropic_messages import schema
from isthmus.wire.anthropic_messages.parts import hosted_tools
from isthmus.wire.anthropic_messages.parts.citations import read_citations
from isthmus.wire.anthropic_messages.parts.signatures import read_signature
from isthmus.wire.json_text import made_up_id

_READ = frozenset(("text", "thinking", "redacted_thinking", "tool_use", *hosted_tools.CALLS))
_decode_block = msgspec.json.Decoder(schema.AnsweredBlock).decode
_decode_kind = msgspec.json.Decoder(schema.Kind).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode

Json = dict[str, Any]


class Blocks:
    """`said` counts the characters of the text so far: a citation is told where its block began and ended in them. That
    is known at the block's end, as is whether a call had arguments, and what a tool of the provider's was asked."""

    __slots__ = ("_begun", "_calls", "_cited", "_hosted", "_pieces", "_silent", "said")

    def __init__(self) -> None:
        self.said = 0
        self._begun = 0  # where the text of the open block begins
        self._calls: dict[int, int] = {}  # block index → call index: other blocks count there too
        self._silent: set[int] = set()  # calls whose arguments have not begun
        self._cited: dict[int, list[Citation]] = {}
        self._hosted: dict[str, Json] = {}  # the provider's own calls that have no result yet
        self._pieces: dict[int, tuple[Json, list[str]]] = {}  # block index → such a call, and its input as it comes

    def begin(self, index: int, data: bytes, events: list[Event]) -> None:
        """A block begins empty at Anthropic; compatible servers put text or a call's whole input here."""
        block = _block(data)
        if block is None:
            return
        kind = block.type
        if kind == "text":
            self._begun = self.said
            self.cite(index, read_citations(block.citations))
            if block.text:
                self.said += len(block.text)
                events.append(TextDelta(text=block.text))
        elif kind == "thinking":
            if block.thinking or block.signature:
                events.append(ReasoningDelta(text=block.thinking or "", signature=read_signature(block.signature)))
        elif kind == "redacted_thinking":
            if block.data:
                events.append(ReasoningDelta(signature=read_signature(block.data), redacted=True))
        elif kind == "tool_use":
            self._call(index, block, events)
        elif kind in hosted_tools.CALLS:
            call = _object(data)
            self._hosted[block.id or ""] = call
            self._pieces[index] = (call, [])
        elif hosted_tools.is_result(kind):
            self._result(_object(data), events)

    def _call(self, index: int, block: schema.AnsweredBlock, events: list[Event]) -> None:
        call = self._calls[index] = len(self._calls)
        self._silent.add(call)
        events.append(ToolCallStarted(index=call, id=block.id or made_up_id("toolu_"), name=block.name or ""))
        given = bytes(block.input)
        text = msgspec.json.format(given, indent=-1).decode() if given.startswith(b"{") else "{}"
        if text != "{}":
            self.add_input(index, text, events)

    def _result(self, result: Json, events: list[Event]) -> None:
        id_ = result.get("tool_use_id")
        call = self._hosted.pop(id_, None) if isinstance(id_, str) else None
        events.append(HostedToolUsed(use=hosted_tools.read_use(call, result)))

    def add_input(self, index: int, text: str, events: list[Event]) -> None:
        call = self._calls.get(index)
        if call is not None:
            self._silent.discard(call)
            events.append(ToolCallDelta(index=call, arguments=text))
        elif index in self._pieces:
            self._pieces[index][1].append(text)

    def cite(self, index: int, citations: Iterable[Citation]) -> None:
        for citation in citations:
            self._cited.setdefault(index, []).append(citation)

    def end(self, index: int, events: list[Event]) -> None:
        """A call without arguments sends none; others' callers want to parse an object."""
        call = self._calls.get(index)
        if call in self._silent:
            self.add_input(index, "{}", events)
        if index in self._pieces:
            hosted, pieces = self._pieces.pop(index)
            if pieces:
                hosted["input"] = _object("".join(pieces))
        self._tell_sources(index, events)

    def close(self, events: list[Event]) -> None:
        """The provider's own calls that it has not ended with this answer: the caller sends them back with the next."""
        for index in list(self._cited):
            self._tell_sources(index, events)
        for call in self._hosted.values():
            events.append(HostedToolUsed(use=hosted_tools.read_use(call, None)))
        self._hosted = {}

    def _tell_sources(self, index: int, events: list[Event]) -> None:
        for citation in self._cited.pop(index, ()):
            placed = msgspec.structs.replace(citation, start=self._begun, end=self.said)
            events.append(Cited(citation=placed))


def _block(data: bytes) -> schema.AnsweredBlock | None:
    """None for a block that is none of ours and has fields of other types. Raises `Malformed`."""
    if not data:
        return None
    try:
        return _decode_block(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = _kind(data)
        if kind in _READ:
            raise Malformed(f"The provider sent a block that is none of Messages': {error}.") from None
        return schema.AnsweredBlock(type=kind) if hosted_tools.is_result(kind) else None


def _kind(data: bytes) -> str:
    try:
        return _decode_kind(data).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _object(json: str | bytes) -> Json:
    try:
        return _decode_object(json)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
