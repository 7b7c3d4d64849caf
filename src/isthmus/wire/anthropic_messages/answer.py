"""What an answer says of itself, between Anthropic's words and ours: why it stopped, and what it used. Around it, the
message that callers are given."""

from __future__ import annotations

from typing import Any

from isthmus.core.chat.event import Finished, FinishReason, Started, ToolCallStarted
from isthmus.core.chat.usage import Usage
from isthmus.wire.anthropic_messages.parts.calls import tool_id
from isthmus.wire.anthropic_messages.schema import AnsweredUsage, StopDetails
from isthmus.wire.json_text import made_up_id, prefixed_id
from isthmus.wire.sealed import seal_id

_READ: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "context_length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}
# Anthropic has no word for an answer that failed: a refusal is what callers do not take for a good one.
_WRITTEN: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "context_length": "model_context_window_exceeded",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "malformed_tool_call": "end_turn",
    "error": "refusal",
}
_TIERS = frozenset(("standard", "priority", "batch"))


def finish_reason(stop_reason: str) -> FinishReason:
    """A reason nobody knows is a stop: so are `end_turn` and `stop_sequence`."""
    return _READ.get(stop_reason, "stop")


def read_finish(stop_reason: str | None, stop_sequence: str | None, details: StopDetails | None) -> Finished:
    return Finished(
        reason=finish_reason(stop_reason or "end_turn"),
        stop_sequence=stop_sequence,
        detail=None if details is None else details.explanation or details.category,
    )


def stopped(finished: Finished | None, called: bool) -> dict[str, Any]:
    """Why an answer ended, as its message or the last delta of its stream says it."""
    reason = _stop_reason(finished, called)
    details = None
    if reason == "refusal":
        details = {"type": "refusal", "category": None, "explanation": finished.detail if finished else None}
    return {
        "stop_reason": reason,
        "stop_sequence": finished.stop_sequence if finished else None,
        "stop_details": details,
        "container": None,
    }


def _stop_reason(finished: Finished | None, called: bool) -> str:
    """Callers look at `tool_use` to know that they must act; some providers say "stop" after calls."""
    if finished is None or finished.reason == "stop":
        if called:
            return "tool_use"
        return "stop_sequence" if finished is not None and finished.stop_sequence else "end_turn"
    return _WRITTEN[finished.reason]


class UsageCount:
    """The usage of one answer as its events tell it: cumulative, in pieces, the last word on each count holding."""

    __slots__ = ("_cached", "_input", "_output", "_searches", "_thought", "_tier", "_written", "_written_1h")

    def __init__(self) -> None:
        self._input = self._cached = self._written = self._written_1h = 0
        self._output = self._thought = self._searches = 0
        self._tier: str | None = None

    def update(self, answered: AnsweredUsage) -> Usage:
        self._input = _latest(answered.input_tokens, self._input)
        self._cached = _latest(answered.cache_read_input_tokens, self._cached)
        self._written = _latest(answered.cache_creation_input_tokens, self._written)
        self._output = _latest(answered.output_tokens, self._output)
        if answered.cache_creation is not None:
            self._written_1h = _latest(answered.cache_creation.ephemeral_1h_input_tokens, self._written_1h)
        if answered.output_tokens_details is not None:
            self._thought = _latest(answered.output_tokens_details.thinking_tokens, self._thought)
        if answered.server_tool_use is not None:
            self._searches = _latest(answered.server_tool_use.web_search_requests, self._searches)
        self._tier = answered.service_tier or self._tier
        return Usage(
            input_tokens=self._input + self._cached + self._written,
            output_tokens=self._output,
            cache_read_tokens=self._cached,
            cache_write_tokens=self._written,
            cache_write_1h_tokens=min(self._written_1h, self._written),
            reasoning_tokens=min(self._thought, self._output),
            web_searches=self._searches,
            service_tier=self._tier,
        )


def _latest(stated: int | float | None, known: int) -> int:
    return known if stated is None else max(0, int(stated))


def written_delta_usage(usage: Usage) -> dict[str, Any]:
    """As the end of a stream tells it, in Anthropic's exclusive counts."""
    searches = {"web_search_requests": usage.web_searches, "web_fetch_requests": 0} if usage.web_searches else None
    return {
        "input_tokens": max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "server_tool_use": searches,
    }


def written_usage(usage: Usage) -> dict[str, Any]:
    """As a message tells it."""
    return written_delta_usage(usage) | {
        "cache_creation": {
            "ephemeral_5m_input_tokens": max(0, usage.cache_write_tokens - usage.cache_write_1h_tokens),
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "inference_geo": None,
        "service_tier": usage.service_tier if usage.service_tier in _TIERS else "standard",
    }


def message(started: Started, content: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
    """Every field that the specification requires; the end of the answer fills in why it stopped."""
    return {
        "id": prefixed_id("msg_", started.id) if started.id else made_up_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": started.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": written_usage(usage),
    }


def tool_use(call: ToolCallStarted) -> dict[str, Any]:
    """A call that begins. What its provider signed it with travels in its id."""
    return {
        "type": "tool_use",
        "id": seal_id(tool_id(call.id), call.signature),
        "name": call.name,
        "input": {},
        "caller": {"type": "direct"},
    }
