"""What happens in an answer, in no vendor's words. Readers make events of a provider's bytes, writers the reverse.

`choice` counts the answers of one call from 0; it is 0 but for callers who asked for several (`Chat.choices`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from isthmus.core.chat.part import Citation, HostedToolUse, Opaque
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError

FinishReason = Literal[
    "stop",
    "length",  # `max_tokens` was reached
    "context_length",  # the model's context window was full
    "tool_calls",
    "content_filter",  # somebody else's filter cut the answer off
    "refusal",  # the model itself declined
    "pause",  # the provider's own tools are still at work: the caller sends the answer back to go on
    "malformed_tool_call",  # the model wrote a call that its provider could not read
    "error",  # the provider says that it failed, in an answer that is one
]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of every answer. `model` is the provider's own name for it (callers are shown that name:
    data-plane 4.1); `id` the provider's. `usage` is what is known at the start (Anthropic tells the input tokens)."""

    id: str
    model: str
    created: int | None = None
    usage: Usage | None = None


class TokenLogprob(msgspec.Struct, frozen=True, kw_only=True):
    """`top`: the likeliest tokens in this place, the chosen one among them, each with its logarithm of probability."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class TextDelta(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    choice: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()


class RefusalDelta(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    choice: int = 0


class ReasoningDelta(msgspec.Struct, frozen=True, kw_only=True):
    """Thinking. A `signature` comes with or after the text and ends that block of thinking. `redacted`: the block has
    no text, the signature is all of it."""

    text: str = ""
    signature: Opaque | None = None
    redacted: bool = False
    choice: int = 0


class Cited(msgspec.Struct, frozen=True, kw_only=True):
    """A source of the text said so far; it may come after the text that it is about, never before."""

    citation: Citation
    choice: int = 0


class HostedToolUsed(msgspec.Struct, frozen=True, kw_only=True):
    """The provider ran one of its own tools, and that is over."""

    use: HostedToolUse
    choice: int = 0


class ToolCallStarted(msgspec.Struct, frozen=True, kw_only=True):
    """`index` counts the calls of one answer from 0, over all its choices; `id` is never empty (a reader makes one up
    where needed). `custom`: the call is of a CustomTool, and its arguments are free text."""

    index: int
    id: str
    name: str
    custom: bool = False
    signature: Opaque | None = None
    choice: int = 0


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of the JSON text (or free text) of the arguments of call `index`, which has started."""

    index: int
    arguments: str


class UsageReported(msgspec.Struct, frozen=True, kw_only=True):
    """Usage so far; the last one of an answer holds."""

    usage: Usage


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """The model stopped. Usage may still follow. `stop_sequence` is the one that was met, where the provider says;
    `detail` the provider's own word for the reason where ours says less ("SAFETY"), or its explanation."""

    reason: FinishReason
    stop_sequence: str | None = None
    detail: str | None = None
    choice: int = 0


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The provider reported an error inside its stream: the last event of the answer."""

    error: GatewayError


Event = (
    Started
    | TextDelta
    | RefusalDelta
    | ReasoningDelta
    | Cited
    | HostedToolUsed
    | ToolCallStarted
    | ToolCallDelta
    | UsageReported
    | Finished
    | Failed
)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a log row wants to know of an answer that was passed on undecoded."""

    model: str | None = None
    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    failed: bool = False
