"""What a caller asks for, in no vendor's words: `Chat` and its parts. Dialects read it from and write it to bytes.

Nothing is dropped in silence: what a reader could not place is named in `Chat.unplaced`, what a writer could not
express in `Written.lost`; the gateway shows both to the caller (`cf-aig-fidelity`) and in the log row.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    text: str


class Image(msgspec.Struct, frozen=True, kw_only=True, tag="image"):
    """Either a URL, or base64 text with its media type. `detail` is OpenAI's low/high/auto."""

    url: str | None = None
    base64: str | None = None
    media_type: str | None = None
    detail: str | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """An assistant's refusal, told apart from its text by OpenAI's dialects."""

    text: str


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning"):
    """An assistant's thinking from an earlier turn. `signature` is opaque, valid only at the provider that made it."""

    text: str
    signature: str | None = None


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call"):
    """`arguments` is JSON text as the model wrote it (an empty string means no arguments)."""

    id: str
    name: str
    arguments: str


class ToolResult(msgspec.Struct, frozen=True, kw_only=True, tag="tool_result"):
    call_id: str
    parts: tuple[Text | Image, ...]
    is_error: bool = False


Part = Text | Image | Refusal | Reasoning | ToolCall | ToolResult


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn. System and developer instructions are messages too, in the place where the caller put them.

    A `tool` message holds exactly one ToolResult. `user` holds Text and Image; `assistant` Text, Refusal,
    Reasoning and ToolCall; `system` and `developer` Text. Readers split what a dialect packs together (Anthropic's
    tool results inside a user turn) into these; writers pack it again.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function. `parameters` is a JSON Schema object, kept whole; `strict` None means the caller did not say."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] = {}
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`named` goes with `name`."""

    mode: Literal["auto", "required", "none", "named"]
    name: str | None = None


class AnswerFormat(msgspec.Struct, frozen=True, kw_only=True):
    """Structured output. `schema` None: any JSON object."""

    name: str = "answer"
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A text generation request. `model` is the caller's name for it. `max_tokens` bounds the answer and its thinking.

    `effort` and `thinking_budget` are two spellings of one wish; a reader sets the one it was given.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    answer_format: AnswerFormat | None = None
    effort: Effort | None = None
    thinking_budget: int | None = None
    user: str | None = None
    stream: bool = False
    include_usage: bool = True
    unplaced: tuple[str, ...] = ()


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A request body in a provider's dialect, and the names of the neutral fields that it could not carry."""

    body: bytes
    lost: tuple[str, ...] = ()
