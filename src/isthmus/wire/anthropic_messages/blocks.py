"""The turns of a conversation as Anthropic takes them: user and assistant only, tool results at the head of a user
turn, neighbours of one role merged, nothing empty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus.core.chat.fidelity import Receipt
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
from isthmus.wire.anthropic_messages.parts.caching import marked
from isthmus.wire.anthropic_messages.parts.calls import tool_id, tool_input
from isthmus.wire.anthropic_messages.parts.citations import sent_citations
from isthmus.wire.anthropic_messages.parts.hosted_tools import own_blocks
from isthmus.wire.anthropic_messages.parts.media import written_document, written_image
from isthmus.wire.anthropic_messages.parts.signatures import OWN
from isthmus.wire.custom_tools import wrapped

# Anthropic wants the first turn to be the user's. A conversation that has none there, or none at all, gets this one.
OPENING = "(The conversation begins here.)"

Json = dict[str, Any]


def written_turns(messages: Iterable[Message], receipt: Receipt) -> list[Json]:
    """Raises `Unsupported` for content that Anthropic has no place for."""
    turns: list[_Turn] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        if message.name is not None:
            receipt.lost("messages.name", "this provider does not tell speakers apart")
        role = "assistant" if message.role == "assistant" else "user"
        if not turns or turns[-1].role != role:
            turns.append(_Turn(role))
        for part in message.parts:
            turns[-1].add(part, receipt)
    turns = _merged(turn for turn in turns if turn.results or turn.rest)
    if not turns or turns[0].role != "user":
        receipt.emulated("messages", "a user turn is put before them, which this provider wants first")
        turns.insert(0, _Turn("user"))
        turns[0].rest.append({"type": "text", "text": OPENING})
    _trim_the_end(turns)
    return [turn.written() for turn in turns]


class _Turn:
    __slots__ = ("rest", "results", "role")

    def __init__(self, role: str) -> None:
        self.role = role
        self.results: list[Json] = []
        self.rest: list[Json] = []

    def add(self, part: Part, receipt: Receipt) -> None:
        if isinstance(part, ToolResult):
            self.results.append(_tool_result(part, receipt))
        elif isinstance(part, ToolCall):
            self.rest.append(_tool_use(part, receipt))
        elif isinstance(part, Reasoning):
            self.rest += _thinking(part, receipt)
        elif isinstance(part, HostedToolUse):
            self.rest += _hosted(part, receipt)
        else:
            self.rest += _seen(part, receipt)

    def written(self) -> Json:
        content = self.results + self.rest
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            return {"role": self.role, "content": content[0]["text"]}
        return {"role": self.role, "content": content}


def _merged(turns: Iterable[_Turn]) -> list[_Turn]:
    """Neighbours of one role, which appear where an empty turn between them fell out."""
    kept: list[_Turn] = []
    for turn in turns:
        if kept and kept[-1].role == turn.role:
            kept[-1].results += turn.results
            kept[-1].rest += turn.rest
        else:
            kept.append(turn)
    return kept


def _trim_the_end(turns: list[_Turn]) -> None:
    """An answer begun for the model may not end in white space."""
    last = turns[-1].rest[-1] if turns[-1].role == "assistant" else None
    if last is not None and last["type"] == "text":
        last["text"] = last["text"].rstrip()


def written_text(text: Text, receipt: Receipt) -> list[Json]:
    """Anthropic refuses text of nothing but white space."""
    if not text.text.strip():
        return []
    written: Json = {"type": "text", "text": text.text}
    if text.citations:
        sent, complete = sent_citations(text.citations)
        if sent:
            written["citations"] = sent
        if not complete:
            receipt.lost("messages.citations", "another provider made them")
    return [marked(written, text.cache)]


def _seen(part: Text | Image | Document | Audio | Video | Refusal, receipt: Receipt) -> list[Json]:
    if isinstance(part, Text):
        return written_text(part, receipt)
    if isinstance(part, Image):
        return [written_image(part, receipt)]
    if isinstance(part, Document):
        if part.text is not None and not part.text.strip():
            return []
        return [written_document(part, receipt)]
    if isinstance(part, Refusal):
        receipt.emulated("messages.refusal", "it is sent as text")
        return written_text(Text(text=part.text), receipt)
    kind = "audio" if isinstance(part, Audio) else "video"
    raise Unsupported(f"This model cannot be given {kind}.", param="messages")


def _thinking(part: Reasoning, receipt: Receipt) -> list[Json]:
    signature = part.signature
    if signature is None:
        receipt.lost("messages.reasoning", "it bears no signature")
        return []
    if signature.origin != OWN:
        receipt.lost("messages.reasoning", "it was signed by another provider")
        return []
    if part.redacted:
        return [{"type": "redacted_thinking", "data": signature.data}]
    return [{"type": "thinking", "thinking": part.text, "signature": signature.data}]


def _hosted(use: HostedToolUse, receipt: Receipt) -> list[Json]:
    blocks = own_blocks(use)
    if blocks is None:
        receipt.lost("messages.hosted_tool_use", "another provider ran it")
        return []
    return blocks


def _tool_use(call: ToolCall, receipt: Receipt) -> Json:
    if call.signature is not None and call.signature.origin != OWN:
        receipt.lost("messages.reasoning", "it was signed by another provider")
    text = call.arguments
    if call.custom:
        receipt.emulated("tools.custom", "it is offered as a function with one text")
        text = wrapped(text)
    arguments, sound = tool_input(text)
    if not sound:
        receipt.emulated("messages.tool_calls", "arguments that are no JSON object are sent inside of one")
    return marked({"type": "tool_use", "id": tool_id(call.id), "name": call.name, "input": arguments}, call.cache)


def _tool_result(result: ToolResult, receipt: Receipt) -> Json:
    written: Json = {"type": "tool_result", "tool_use_id": tool_id(result.call_id)}
    content = [block for part in result.parts for block in _seen(part, receipt)]
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        written["content"] = content[0]["text"]
    elif content:
        written["content"] = content
    if result.is_error:
        written["is_error"] = True
    return marked(written, result.cache)
