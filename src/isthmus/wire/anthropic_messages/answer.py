"""What a finished answer says of itself, between Anthropic's words and ours: why it stopped, and what it used."""

from __future__ import annotations

from typing import Any

from isthmus.core.event import Finished, FinishReason
from isthmus.core.usage import Usage
from isthmus.wire.anthropic_messages.schema import AnsweredUsage

_READ: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_WRITTEN: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def finish_reason(stop_reason: str) -> FinishReason:
    """A reason nobody knows is a stop: so are `end_turn`, `stop_sequence` and `pause_turn`."""
    return _READ.get(stop_reason, "stop")


def stop_reason(finished: Finished | None, called: bool) -> str:
    """Callers look at `tool_use` to know that they must act; some providers say "stop" after calls."""
    if finished is None or finished.reason == "stop":
        if called:
            return "tool_use"
        return "stop_sequence" if finished is not None and finished.stop_sequence else "end_turn"
    return _WRITTEN[finished.reason]


class UsageCount:
    """The usage of one answer as its events tell it: cumulative, in pieces, the last word on each count holding."""

    __slots__ = ("_cached", "_input", "_output", "_thought", "_written")

    def __init__(self) -> None:
        self._input = self._cached = self._written = self._output = self._thought = 0

    def update(self, answered: AnsweredUsage) -> Usage:
        if answered.input_tokens is not None:
            self._input = int(answered.input_tokens)
        if answered.cache_read_input_tokens is not None:
            self._cached = int(answered.cache_read_input_tokens)
        if answered.cache_creation_input_tokens is not None:
            self._written = int(answered.cache_creation_input_tokens)
        if answered.output_tokens is not None:
            self._output = int(answered.output_tokens)
        details = answered.output_tokens_details
        if details is not None and details.thinking_tokens is not None:
            self._thought = int(details.thinking_tokens)
        return Usage(
            input_tokens=self._input + self._cached + self._written,
            output_tokens=self._output,
            cache_read_tokens=self._cached,
            cache_write_tokens=self._written,
            reasoning_tokens=self._thought,
        )


def written_delta_usage(usage: Usage) -> dict[str, Any]:
    """As the end of a stream tells it, in Anthropic's exclusive counts."""
    return {
        "input_tokens": max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "server_tool_use": None,
    }


def written_usage(usage: Usage) -> dict[str, Any]:
    """As a message tells it. How long the caches live we do not know: five minutes is what is meant unless said."""
    return written_delta_usage(usage) | {
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": 0,
        },
        "inference_geo": None,
        "service_tier": "standard",
    }
