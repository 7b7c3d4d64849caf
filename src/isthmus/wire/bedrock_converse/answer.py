"""What an answer says of itself, between Converse's words and ours: why it stopped, and what it used."""

from __future__ import annotations

from typing import Any

from isthmus.core.chat.event import Finished, FinishReason
from isthmus.core.chat.usage import Usage
from isthmus.wire.bedrock_converse.schema import AnsweredTier, AnsweredUsage

_READ: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_tool_use": "malformed_tool_call",
    "malformed_model_output": "error",
    # Claude's own words, should Bedrock pass them on.
    "refusal": "refusal",
    "pause_turn": "pause",
}
_PLAIN = frozenset(("end_turn", "stop_sequence", "max_tokens", "tool_use", "model_context_window_exceeded"))
_WRITTEN: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "context_length": "model_context_window_exceeded",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "pause": "end_turn",
    "malformed_tool_call": "malformed_tool_use",
    "error": "malformed_model_output",
}
_TIERS = frozenset(("priority", "default", "flex", "reserved"))

# Asked for of Claude, which says which sequence it met.
STOP_SEQUENCE_PATH = "/stop_sequence"


def finish_reason(stop_reason: str) -> FinishReason:
    """A reason nobody knows is a stop."""
    return _READ.get(stop_reason, "stop")


def read_finish(stop_reason: str | None, fields: object) -> Finished:
    """`fields` are the model's own, of which the stop sequence was asked for."""
    reason = stop_reason or "end_turn"
    sequence = fields.get("stop_sequence") if isinstance(fields, dict) else None
    return Finished(
        reason=finish_reason(reason),
        stop_sequence=sequence if isinstance(sequence, str) else None,
        detail=None if reason in _PLAIN else reason,
    )


def stopped(finished: Finished | None, called: bool) -> dict[str, Any]:
    """Why an answer ended. Callers look at `tool_use` to know that they must act."""
    if finished is None or finished.reason == "stop":
        sequence = finished.stop_sequence if finished is not None else None
        if called:
            return {"stopReason": "tool_use"}
        if sequence is not None:
            return {"stopReason": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": sequence}}
        return {"stopReason": "end_turn"}
    return {"stopReason": _WRITTEN[finished.reason]}


def read_usage(answered: AnsweredUsage, tier: AnsweredTier | None) -> Usage:
    read, written = _count(answered.cacheReadInputTokens), _count(answered.cacheWriteInputTokens)
    hour = sum(_count(detail.inputTokens) for detail in answered.cacheDetails or () if detail.ttl == "1h")
    return Usage(
        input_tokens=_count(answered.inputTokens) + read + written,
        output_tokens=_count(answered.outputTokens),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(hour, written),
        service_tier=tier.type if tier is not None else None,
    )


def _count(stated: int | float | None) -> int:
    return max(0, int(stated or 0))


def metadata(usage: Usage) -> dict[str, Any]:
    """Usage in Converse's exclusive counts, the time that it took (which nobody here measures), and the tier."""
    stated: dict[str, Any] = {
        "inputTokens": max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens),
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
    short = usage.cache_write_tokens - usage.cache_write_1h_tokens
    details = [("1h", usage.cache_write_1h_tokens), ("5m", max(0, short))]
    if usage.cache_write_tokens:
        stated["cacheDetails"] = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in details if tokens]
    told: dict[str, Any] = {"usage": stated, "metrics": {"latencyMs": 0}}
    if usage.service_tier in _TIERS:
        told["serviceTier"] = {"type": usage.service_tier}
    return told
