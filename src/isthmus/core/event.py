"""What happens in an answer, in no vendor's words. Readers make events of a provider's bytes, writers the reverse."""

from __future__ import annotations

from typing import Literal

import msgspec

from isthmus.core.usage import Usage
from isthmus.errors import GatewayError

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of every answer. `model` is the provider's own name for it (callers are shown that name:
    data-plane 4.1); `id` the provider's. `usage` is what is known at the start (Anthropic tells the input tokens)."""

    id: str
    model: str
    created: int | None = None
    usage: Usage | None = None


class TextDelta(msgspec.Struct, frozen=True, kw_only=True):
    text: str


class RefusalDelta(msgspec.Struct, frozen=True, kw_only=True):
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, kw_only=True):
    """Thinking. `signature` comes with or after the text, opaque."""

    text: str = ""
    signature: str | None = None


class ToolCallStarted(msgspec.Struct, frozen=True, kw_only=True):
    """`index` counts the calls of one answer from 0; `id` is never empty (a reader makes one up where needed)."""

    index: int
    id: str
    name: str


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of the JSON text of the arguments of call `index`, which has started."""

    index: int
    arguments: str


class UsageReported(msgspec.Struct, frozen=True, kw_only=True):
    """Usage so far; the last one of an answer holds."""

    usage: Usage


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """The model stopped. Usage may still follow. `stop_sequence` is the one that was met, where the provider says."""

    reason: FinishReason
    stop_sequence: str | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The provider reported an error inside its stream: the last event of the answer."""

    error: GatewayError


Event = (
    Started
    | TextDelta
    | RefusalDelta
    | ReasoningDelta
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
