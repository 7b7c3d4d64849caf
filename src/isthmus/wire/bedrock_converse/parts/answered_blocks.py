"""The content blocks of an answer that is being read, whole or piece by piece: what waits for their end."""

from __future__ import annotations

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
from isthmus.core.chat.part import Citation, HostedToolUse
from isthmus.errors import Malformed
from isthmus.wire.bedrock_converse import schema
from isthmus.wire.bedrock_converse.parts.citations import read_citation
from isthmus.wire.bedrock_converse.parts.signatures import read_signature
from isthmus.wire.json_text import made_up_id

# The tools of Nova's that AWS runs, in our word where we have one.
_HOSTED = {"nova_grounding": "web_search"}
_SERVER_TOOL = "server_tool_use"

_decode_block = msgspec.json.Decoder(schema.Content).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# Blocks of other kinds have no place in our events, whatever they hold.
_KNOWN = frozenset(("text", "toolUse", "toolResult", "reasoningContent", "citationsContent"))


class Blocks:
    """A citation is told where its block began and ended in the text: that is known at the block's end, as is whether a
    call had arguments, and what a tool of the provider's was asked."""

    __slots__ = ("_begun", "_calls", "_cited", "_hosted", "_said", "_silent")

    def __init__(self) -> None:
        self._said = 0  # characters of the text so far
        self._begun: dict[int, int] = {}  # block index → where its text begins
        self._calls: dict[int, int] = {}  # block index → call index: other blocks count there too
        self._silent: set[int] = set()  # calls whose arguments have not begun
        self._cited: dict[int, list[Citation]] = {}
        self._hosted: dict[int, tuple[schema.ToolUse, list[str]]] = {}

    def begin(self, index: int, start: schema.Start, events: list[Event]) -> None:
        tool = start.toolUse
        if tool is None:
            return
        if tool.type == _SERVER_TOOL:
            self._hosted[index] = (tool, [])
            return
        if index in self._calls:
            raise Malformed("The provider began a tool call twice.")
        call = self._calls[index] = len(self._calls)
        self._silent.add(call)
        events.append(ToolCallStarted(index=call, id=tool.toolUseId or made_up_id("tooluse_"), name=tool.name))

    def add(self, index: int, delta: schema.Delta, events: list[Event]) -> None:
        if delta.text is not None:
            self._text(index, delta.text, events)
        elif delta.toolUse is not None:
            self._input(index, delta.toolUse.input, events)
        elif delta.reasoningContent is not None:
            _reasoning(delta.reasoningContent, events)
        elif delta.citation is not None:
            self._cite(index, delta.citation)

    def end(self, index: int, events: list[Event]) -> None:
        """A call without arguments sends none; others' callers want to parse an object."""
        call = self._calls.get(index)
        if call in self._silent:
            self._input(index, "{}", events)
        if index in self._hosted:
            tool, pieces = self._hosted.pop(index)
            events.append(HostedToolUsed(use=_hosted_use(tool, "".join(pieces))))
        begun = self._begun.pop(index, self._said)
        for citation in self._cited.pop(index, ()):
            placed = msgspec.structs.replace(citation, start=begun, end=self._said)
            events.append(Cited(citation=placed))

    def close(self, events: list[Event]) -> None:
        """The blocks that nobody ended."""
        for index in sorted({*self._calls, *self._hosted, *self._cited}):
            self.end(index, events)

    def whole(self, index: int, data: bytes, events: list[Event]) -> None:
        """A block that comes with all that it holds. Raises `Malformed`."""
        block = _block(data)
        if block is None:
            return
        if block.text is not None:
            self._text(index, block.text, events)
        elif block.toolUse is not None:
            self.begin(index, schema.Start(toolUse=block.toolUse), events)
            given = bytes(block.toolUse.input)
            if given.startswith(b"{") and given != b"{}":
                self._input(index, msgspec.json.format(given, indent=-1).decode(), events)
        elif block.reasoningContent is not None:
            thought = block.reasoningContent
            text = thought.reasoningText or schema.ReasoningText(text="")
            read = schema.ReasoningDelta(
                text=text.text, signature=text.signature, redactedContent=thought.redactedContent
            )
            _reasoning(read, events)
        elif block.citationsContent is not None:
            for part in block.citationsContent.content or ():
                self._text(index, part.text or "", events)
            for citation in block.citationsContent.citations or ():
                self._cite(index, citation)
        self.end(index, events)

    def _text(self, index: int, text: str, events: list[Event]) -> None:
        self._begun.setdefault(index, self._said)
        if text:
            self._said += len(text)
            events.append(TextDelta(text=text))

    def _input(self, index: int, text: str, events: list[Event]) -> None:
        call = self._calls.get(index)
        if index in self._hosted:
            self._hosted[index][1].append(text)
        elif call is None:
            raise Malformed("The provider sent arguments for a tool call that it had not begun.")
        elif text:
            self._silent.discard(call)
            events.append(ToolCallDelta(index=call, arguments=text))

    def _cite(self, index: int, stated: Any) -> None:
        citation = read_citation(stated)
        if citation is not None:
            self._cited.setdefault(index, []).append(citation)


def _reasoning(thought: schema.ReasoningDelta, events: list[Event]) -> None:
    if thought.redactedContent:
        events.append(ReasoningDelta(signature=read_signature(thought.redactedContent), redacted=True))
    elif thought.text or thought.signature:
        events.append(ReasoningDelta(text=thought.text or "", signature=read_signature(thought.signature)))


def _hosted_use(tool: schema.ToolUse, text: str) -> HostedToolUse:
    """Nothing in it can be given back: AWS wants no such blocks from a caller."""
    given = text or (bytes(tool.input).decode() if bytes(tool.input).startswith(b"{") else "{}")
    return HostedToolUse(id=tool.toolUseId, tool=_HOSTED.get(tool.name, tool.name), input=given)


def _block(data: bytes) -> schema.Content | None:
    """None for a block of another kind. Raises `Malformed`."""
    try:
        if not _KNOWN & _decode_fields(data).keys():
            return None
        return _decode_block(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider sent a block that is none of Converse's: {error}.") from None
