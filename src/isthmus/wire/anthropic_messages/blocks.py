"""The turns of a conversation as Anthropic takes them: user and assistant only, tool results at the head of a user
turn, neighbours of one role merged, nothing empty."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from isthmus.core.request import Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult

# Anthropic wants the first turn to be the user's. A conversation that has none there, or none at all, gets this one.
OPENING = "(The conversation begins here.)"
# Where a model wrote arguments that are no JSON object, they are kept in one: Anthropic's `input` can be nothing else,
# and an empty object would be a call that nobody made.
UNPARSED = "unparsed_arguments"

_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Lose = Callable[..., None]


def tool_id(given: str) -> str:
    """Anthropic refuses ids with other characters: they are spelled in hexadecimal, alike in call and result."""
    return _UNSAFE.sub(lambda found: f"_{ord(found.group()):x}", given)


def tool_input(arguments: str) -> tuple[msgspec.Raw | dict[str, str], bool]:
    """The arguments as an object, and whether they were one."""
    if not arguments.strip():
        return {}, True
    data = arguments.encode()
    try:
        _decode_object(data)
    except (msgspec.DecodeError, RecursionError):
        return {UNPARSED: arguments}, False
    return msgspec.Raw(data), True


def written_turns(messages: Iterable[Message], lose: Lose) -> list[dict[str, Any]]:
    """`lose` is told the names of what could not be carried."""
    turns: list[_Turn] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        if message.name is not None:
            lose("messages.name")
        role = "assistant" if message.role == "assistant" else "user"
        if not turns or turns[-1].role != role:
            turns.append(_Turn(role))
        for part in message.parts:
            turns[-1].add(part, lose)
    turns = _merged(turn for turn in turns if turn.results or turn.rest)
    if not turns or turns[0].role != "user":
        lose("messages")
        turns.insert(0, _Turn("user"))
        turns[0].rest.append({"type": "text", "text": OPENING})
    _trim_the_end(turns)
    return [turn.written() for turn in turns]


class _Turn:
    __slots__ = ("rest", "results", "role")

    def __init__(self, role: str) -> None:
        self.role = role
        self.results: list[dict[str, Any]] = []
        self.rest: list[dict[str, Any]] = []

    def add(self, part: Part, lose: Lose) -> None:
        if isinstance(part, ToolResult):
            self.results.append(_tool_result(part, lose))
        elif isinstance(part, ToolCall):
            self.rest.append(_tool_use(part, lose))
        elif isinstance(part, Reasoning):
            if part.signature is None:
                lose("messages.reasoning")
            else:
                self.rest.append({"type": "thinking", "thinking": part.text, "signature": part.signature})
        else:
            self.rest += _seen(part, lose)

    def written(self) -> dict[str, Any]:
        content = self.results + self.rest
        if len(content) == 1 and content[0]["type"] == "text":
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


def _seen(part: Text | Image | Refusal, lose: Lose) -> list[dict[str, Any]]:
    if isinstance(part, Image):
        if part.detail in ("low", "high"):
            lose("messages.image.detail")
        return [{"type": "image", "source": _source(part)}]
    if isinstance(part, Refusal):
        lose("messages.refusal")
    return [{"type": "text", "text": part.text}] if part.text.strip() else []


def _source(image: Image) -> dict[str, Any]:
    if image.base64 is not None:
        return {"type": "base64", "media_type": image.media_type, "data": image.base64}
    return {"type": "url", "url": image.url}


def _tool_use(call: ToolCall, lose: Lose) -> dict[str, Any]:
    arguments, sound = tool_input(call.arguments)
    if not sound:
        lose("messages.tool_calls")
    return {"type": "tool_use", "id": tool_id(call.id), "name": call.name, "input": arguments}


def _tool_result(result: ToolResult, lose: Lose) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "tool_result", "tool_use_id": tool_id(result.call_id)}
    content = [block for part in result.parts for block in _seen(part, lose)]
    if len(content) == 1 and content[0]["type"] == "text":
        written["content"] = content[0]["text"]
    elif content:
        written["content"] = content
    if result.is_error:
        written["is_error"] = True
    return written
