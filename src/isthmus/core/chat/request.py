"""What a caller asks for, in no vendor's words: `Chat`. What its messages hold is in `part`, its tools in `tool`.

Nothing is dropped in silence: what a reader could not place is noted in `Chat.unplaced`, what a writer could not
express in `Written.notes`; the gateway shows both to the caller (`cf-aig-fidelity`) and in the log row.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.part import (
    Audio,
    CacheMark,
    Citation,
    Document,
    HostedToolUse,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from isthmus.core.chat.tool import AnyTool, CustomTool, Grammar, Tool, ToolChoice, VendorTool, WebSearch

__all__ = [
    "AnswerFormat",
    "AnyTool",
    "Audio",
    "CacheMark",
    "Chat",
    "Citation",
    "CustomTool",
    "Document",
    "Effort",
    "Grammar",
    "HostedToolUse",
    "Image",
    "Message",
    "Opaque",
    "Part",
    "Reasoning",
    "Refusal",
    "SearchResult",
    "Text",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "VendorTool",
    "Video",
    "WebSearch",
    "Written",
]


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One turn. System and developer instructions are messages too, in the place where the caller put them.

    A `tool` message holds exactly one ToolResult. `user` holds Text, Image, Document, Audio and Video; `assistant`
    Text, Refusal, Reasoning, ToolCall and HostedToolUse; `system` and `developer` Text. Readers split what a dialect
    packs together (Anthropic's tool results inside a user turn) into these; writers pack it again.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    parts: tuple[Part, ...]
    name: str | None = None


class AnswerFormat(msgspec.Struct, frozen=True, kw_only=True):
    """Structured output. `schema` None: any JSON object."""

    name: str = "answer"
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Chat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A text generation request. `model` is the caller's name for it. `max_tokens` bounds the answer and its thinking.

    `effort` and `thinking_budget` are two spellings of one wish; a reader sets the one it was given. `summary` says how
    much of its thinking the model shall show ("none": nothing). `keep_reasoning`: the caller wants thinking back in a
    form that can be sent again (OpenAI's `reasoning.encrypted_content`).
    `choices` is how many answers are wanted, `logprobs` whether each token's probability is, `top_logprobs` of how many
    rivals. `cache` marks the whole request for the provider's prompt cache, `cache_key` and `cache_retention` are
    OpenAI's. `service_tier` has OpenAI's words: auto, default, flex, priority, scale.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[AnyTool, ...] = ()
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
    logit_bias: dict[str, float] | None = None
    choices: int = 1
    logprobs: bool = False
    top_logprobs: int | None = None
    answer_format: AnswerFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    effort: Effort | None = None
    thinking_budget: int | None = None
    summary: Literal["none", "auto", "concise", "detailed"] | None = None
    keep_reasoning: bool = False
    cache: CacheMark | None = None
    cache_key: str | None = None
    cache_retention: str | None = None
    service_tier: str | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    stream: bool = False
    include_usage: bool = True
    unplaced: tuple[Note, ...] = ()


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A request body in a provider's dialect, and what became of the fields that the dialect or the model lacks.

    `fetch`: web addresses of media that the provider takes only by value. Where there are any, the body is not to be
    sent: the gateway fetches them, puts them into the `Chat` as base64, and has it written again.
    """

    body: bytes
    notes: tuple[Note, ...] = ()
    fetch: tuple[str, ...] = ()
