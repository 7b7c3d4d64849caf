"""How many tokens a request has, without answering it: the provider's own count where it has one, else an estimate that
says so (`cf-aig-token-count: estimate`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.chat.part import Audio, Document, Image, Video
from isthmus.core.chat.request import Chat, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from isthmus.core.chat.tool import CustomTool, Tool, VendorTool
from isthmus.core.reply import Reply
from isthmus.data_plane.outbound.prepare import Preparation

# An estimate has to err on the side of too many: callers decide by it whether a conversation still fits. English has
# four characters a token and more, code and JSON three; what is not ASCII nearly one token a character.
ASCII_PER_TOKEN = 3.5
MESSAGE_TOKENS = 4
IMAGE_TOKENS = 1600
PAGE_BYTES = 60_000  # of base64, and some 2,000 tokens
PAGE_TOKENS = 2000

CountAtProvider = Callable[[Call, Target], Awaitable[int | None]]


class TokenCounter:
    """`at_provider` gives None where the provider has no count for this target."""

    def __init__(self, preparation: Preparation, at_provider: CountAtProvider) -> None:
        self._preparation = preparation
        self._at_provider = at_provider

    async def __call__(self, call: Call, target: Target) -> Reply:
        counted = await self._at_provider(call, target)
        count = estimate(self._preparation.chat(call)) if counted is None else counted
        reply = Reply(200, content_type=b"application/json", dialect=call.dialect or "", whole=True)
        reply.body = msgspec.json.encode(_shown(call.dialect, count))
        reply.headers.append((b"cf-aig-token-count", b"estimate" if counted is None else b"provider"))
        call.end = "completed"
        return reply


def _shown(dialect: str | None, count: int) -> dict[str, str | int]:
    if dialect == "gemini":
        return {"totalTokens": count}
    named: dict[str, str | int] = {"object": "response.input_tokens"} if dialect == "openai_responses" else {}
    return named | {"input_tokens": count}


def estimate(chat: Chat) -> int:
    count = 0.0
    for message in chat.messages:
        count += MESSAGE_TOKENS + sum(_part(part) for part in message.parts)
    for tool in chat.tools:
        count += MESSAGE_TOKENS + _tool(tool)
    if chat.answer_format is not None and chat.answer_format.schema is not None:
        count += _text(_json(chat.answer_format.schema))
    return max(1, round(count))


def _part(part: Part) -> float:
    match part:
        case Text() | Refusal() | Reasoning():
            return _text(part.text)
        case ToolCall():
            return MESSAGE_TOKENS + _text(part.name) + _text(part.arguments)
        case ToolResult():
            return MESSAGE_TOKENS + sum(_part(item) for item in part.parts)
        case Document():
            return _text(part.text) if part.text is not None else _pages(part.base64)
        case Image() | Video():
            return IMAGE_TOKENS
        case Audio():
            return _pages(part.base64)
    return _text(part.input) + sum(_text(result.title) + _text(result.url) for result in part.results)


def _tool(tool: object) -> float:
    if isinstance(tool, Tool):
        return _text(tool.name) + _text(tool.description or "") + _text(_json(tool.parameters))
    if isinstance(tool, CustomTool):
        grammar = "" if tool.grammar is None else tool.grammar.definition
        return _text(tool.name) + _text(tool.description or "") + _text(grammar)
    return _text(tool.definition.data) if isinstance(tool, VendorTool) else MESSAGE_TOKENS


def _text(text: str) -> float:
    if text.isascii():
        return len(text) / ASCII_PER_TOKEN
    ascii_count = sum(1 for character in text if character < "\x80")
    return ascii_count / ASCII_PER_TOKEN + (len(text) - ascii_count)


def _pages(base64: str | None) -> float:
    return max(1, len(base64 or "") / PAGE_BYTES) * PAGE_TOKENS


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
