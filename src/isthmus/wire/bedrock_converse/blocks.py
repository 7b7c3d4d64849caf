"""The turns of a conversation as Converse takes them: the user first, then by turns, tool results at the head of a user
turn, neighbours of one role merged, nothing empty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.part import CacheMark
from isthmus.core.chat.request import (
    Audio,
    Document,
    HostedToolUse,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from isthmus.errors import Unsupported
from isthmus.wire.anthropic_messages.parts.calls import tool_input
from isthmus.wire.bedrock_converse.parts.caching import marked
from isthmus.wire.bedrock_converse.parts.calls import tool_name, tool_use_id
from isthmus.wire.bedrock_converse.parts.citations import written_citation
from isthmus.wire.bedrock_converse.parts.families import Family
from isthmus.wire.bedrock_converse.parts.media import MediaWriter
from isthmus.wire.bedrock_converse.parts.signatures import OWN, is_blob
from isthmus.wire.custom_tools import wrapped

# A conversation without a user's turn at its head gets this one.
OPENING = "(The conversation begins here.)"
# AWS wants a text beside documents, and one in the result of a tool that failed.
BESIDE_DOCUMENTS = "(See the documents.)"
FAILED = "The tool failed."

Json = dict[str, Any]


class TurnWriter:
    """For one request. `fetch` are the web addresses of what has to be sent by its bytes."""

    __slots__ = ("_family", "_media", "_receipt")

    def __init__(self, family: Family, receipt: Receipt) -> None:
        self._family = family
        self._receipt = receipt
        self._media = MediaWriter(receipt)

    @property
    def fetch(self) -> tuple[str, ...]:
        return tuple(self._media.fetch)

    def write(self, messages: Iterable[Message]) -> list[Json]:
        """Raises `Unsupported` for content that Converse has no place for."""
        turns: list[_Turn] = []
        for message in messages:
            if message.role in ("system", "developer"):
                continue
            if message.name is not None:
                self._receipt.lost("messages.name", "this provider does not tell speakers apart")
            turn = _Turn("assistant" if message.role == "assistant" else "user")
            for part in message.parts:
                if isinstance(part, ToolResult):
                    turn.results += self._marked(self._tool_result(part), part.cache)
                else:
                    turn.rest += self._written(part)
            if not (turn.results or turn.rest):
                continue
            if turns and turns[-1].role == turn.role:
                turns[-1].results += turn.results
                turns[-1].rest += turn.rest
            else:
                turns.append(turn)
        if not turns or turns[0].role != "user":
            self._receipt.emulated("messages", "a user turn is put before them, which this provider wants first")
            turns.insert(0, _Turn("user", {"text": OPENING}))
        for turn in turns:
            self._mend(turn, last=turn is turns[-1])
        return [{"role": turn.role, "content": turn.results + turn.rest} for turn in turns]

    def text(self, text: Text) -> list[Json]:
        """AWS refuses text of nothing but white space."""
        if not text.text.strip():
            return []
        block: Json = {"text": text.text}
        if text.citations:
            cited = [written for one in text.citations if (written := written_citation(one)) is not None]
            if self._family.claude and cited:
                block = {"citationsContent": {"content": [{"text": text.text}], "citations": cited}}
            if not self._family.claude or len(cited) < len(text.citations):
                self._receipt.lost("messages.citations", "this provider does not take them back")
        return self._marked([block], text.cache)

    def _marked(self, blocks: list[Json], mark: CacheMark | None) -> list[Json]:
        return marked(blocks, mark, self._family, self._receipt)

    def _written(self, part: Part) -> list[Json]:
        if isinstance(part, Text):
            return self.text(part)
        if isinstance(part, ToolCall):
            return self._marked(self._tool_use(part), part.cache)
        if isinstance(part, Reasoning):
            return self._thinking(part)
        if isinstance(part, Refusal):
            self._receipt.emulated("messages.refusal", "it is sent as text")
            return self.text(Text(text=part.text))
        if isinstance(part, HostedToolUse):
            self._receipt.lost("messages.hosted_tool_use", "another provider ran it")
            return []
        assert not isinstance(part, ToolResult)
        return self._marked(self._shown(part), part.cache)

    def _shown(self, part: Image | Document | Audio | Video) -> list[Json]:
        if isinstance(part, Image):
            return self._media.image(part)
        if isinstance(part, Document):
            return self._media.document(part)
        return self._media.audio(part) if isinstance(part, Audio) else self._media.video(part)

    def _thinking(self, part: Reasoning) -> list[Json]:
        """Claude alone takes it back, and only what it signed itself."""
        signature = part.signature
        if not self._family.claude:
            self._receipt.lost("messages.reasoning", "this model does not take its thinking back")
        elif signature is None:
            self._receipt.lost("messages.reasoning", "it bears no signature")
        elif signature.origin != OWN:
            self._receipt.lost("messages.reasoning", "it was signed by another provider")
        elif not part.redacted:
            return [{"reasoningContent": {"reasoningText": {"text": part.text, "signature": signature.data}}}]
        elif is_blob(signature.data):
            return [{"reasoningContent": {"redactedContent": signature.data}}]
        else:
            self._receipt.lost("messages.reasoning", "it is not what this provider redacted")
        return []

    def _tool_use(self, call: ToolCall) -> list[Json]:
        if call.signature is not None:
            self._receipt.lost("messages.reasoning", "it was signed by another provider")
        text = call.arguments
        if call.custom:
            self._receipt.emulated("tools.custom", "it is offered as a function with one text")
            text = wrapped(text)
        arguments, sound = tool_input(text)
        if not sound:
            self._receipt.emulated("messages.tool_calls", "arguments that are no JSON object are sent inside of one")
        name = tool_name(call.name)
        if name != call.name:
            self._receipt.emulated("messages.tool_calls.name", "the nearest is sent of what this provider takes")
        id_ = tool_use_id(call.id, claude=self._family.claude)
        return [{"toolUse": {"toolUseId": id_, "name": name, "input": arguments}}]

    def _tool_result(self, result: ToolResult) -> list[Json]:
        content: list[Json] = []
        for part in result.parts:
            if isinstance(part, Audio):
                raise Unsupported("This provider takes no audio in a tool's result.", param="messages")
            if isinstance(part, Text):
                content += [{"text": part.text}] if part.text.strip() else []
            else:
                content += self._shown(part)
        if result.is_error and not content:
            content.append({"text": FAILED})
        id_ = tool_use_id(result.call_id, claude=self._family.claude)
        written: Json = {"toolUseId": id_, "content": content}
        if result.is_error:
            written["status"] = "error"
        blocks = [{"toolResult": written}]
        for part in result.parts:  # a mark inside of it stands after all of it
            if part.cache is not None and result.cache is None:
                return self._marked(blocks, part.cache)
        return blocks

    def _mend(self, turn: _Turn, *, last: bool) -> None:
        blocks = turn.rest
        if any("document" in block for block in blocks) and not any("text" in block for block in blocks):
            self._receipt.emulated("messages.document", "a text is put beside it, which this provider wants")
            blocks.append({"text": BESIDE_DOCUMENTS})
        # An answer begun for the model may not end in white space.
        if last and turn.role == "assistant" and blocks and "text" in blocks[-1]:
            blocks[-1]["text"] = blocks[-1]["text"].rstrip()


class _Turn:
    __slots__ = ("rest", "results", "role")

    def __init__(self, role: str, *blocks: Json) -> None:
        self.role = role
        self.results: list[Json] = []
        self.rest: list[Json] = list(blocks)
