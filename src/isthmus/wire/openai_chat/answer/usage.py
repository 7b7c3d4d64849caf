"""Token counts and finish reasons, in the words of the many servers that speak Chat Completions, and in OpenAI's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from isthmus.core.chat.event import FinishReason
from isthmus.core.chat.usage import Usage
from isthmus.wire.openai_chat.answer.schema import AnsweredUsage, Groq

ERROR = "error"
"""OpenRouter's finish reason for an answer that failed on the way."""

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
# What others say: Mistral "model_length", Z.ai "sensitive", "network_error" and "model_context_window_exceeded",
# DeepSeek "insufficient_system_resource", vLLM "abort"; and names of other dialects that came through.
_OTHERS: dict[str, FinishReason] = {
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "context_length",
    "model_context_window_exceeded": "context_length",
    "context_length_exceeded": "context_length",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "sensitive": "content_filter",
    "content-filter": "content_filter",
    "safety": "content_filter",
    "prohibited_content": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "refusal": "refusal",
    "pause_turn": "pause",
    "malformed_function_call": "malformed_tool_call",
    "insufficient_system_resource": "error",
    "network_error": "error",
    "abort": "error",
    "aborted": "error",
}
_WRITTEN: dict[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "context_length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "malformed_tool_call": "stop",
    "error": "length",  # the answer was cut off: the one reason that says so
}
_TIERS = {"standard": "default", "auto": "auto", "default": "default", "flex": "flex"}
_TIERS |= {"scale": "scale", "priority": "priority"}
_DETAIL_MAX_CHARS = 64
_COUNT_MAX = 2**48  # nonsense must still be a number that fits


def finish_reason(said: str, called: bool) -> FinishReason:
    """A reason nobody knows is a stop. OpenAI (with a named `tool_choice`) and others say "stop" after tool calls."""
    reason = _REASONS.get(said) or _OTHERS.get(said.lower(), "stop")
    return "tool_calls" if called and reason == "stop" else reason


def finish_detail(said: str) -> str | None:
    return None if said in _REASONS else said[:_DETAIL_MAX_CHARS]


def write_reason(reason: FinishReason) -> str:
    return _WRITTEN[reason]


def write_tier(usage: Usage | None) -> str | None:
    """In OpenAI's words, None where it has none for it."""
    return None if usage is None or usage.service_tier is None else _TIERS.get(usage.service_tier)


class Metered(Protocol):
    """An answer, or as much of one as tells of usage."""

    @property
    def usage(self) -> AnsweredUsage | None: ...
    @property
    def service_tier(self) -> Any: ...
    @property
    def x_groq(self) -> Groq | None: ...
    @property
    def choices(self) -> Sequence[MeteredChoice] | None: ...


class MeteredChoice(Protocol):
    @property
    def usage(self) -> AnsweredUsage | None: ...


def usage_of(answer: Metered) -> Usage | None:
    """What an answer or a chunk says of usage, in any of the places where it is said."""
    found = answer.usage
    if found is None and answer.x_groq is not None:
        found = answer.x_groq.usage
    if found is None and answer.choices:
        found = answer.choices[0].usage
    if found is None or not (found.prompt_tokens or found.completion_tokens):
        return None
    tier = answer.service_tier
    return read_usage(found, tier if isinstance(tier, str) and tier else None)


def read_usage(answered: AnsweredUsage, service_tier: str | None = None) -> Usage:
    """xAI counts thinking beside the completion, and Google's server counts it in the total alone: `output_tokens`
    holds it in any case. No part is let be larger than its whole."""
    prompt, completion = answered.prompt_tokens_details, answered.completion_tokens_details
    given, said = _count(answered.prompt_tokens), _count(answered.completion_tokens)
    reasoning = _count((completion and completion.reasoning_tokens) or answered.reasoning_tokens)
    beside = max(0, _count(answered.total_tokens) - given - said)
    if reasoning > said and not beside:
        beside = reasoning
    output = said + beside
    read = (prompt and prompt.cached_tokens) or answered.cached_tokens
    cached = min(given, _count(read or answered.prompt_cache_hit_tokens or answered.cache_read_input_tokens))
    kept = _count((prompt and prompt.cache_write_tokens) or answered.cache_creation_input_tokens)
    return Usage(
        input_tokens=given,
        output_tokens=output,
        cache_read_tokens=cached,
        cache_write_tokens=min(given - cached, kept),
        reasoning_tokens=min(output, reasoning or beside),
        input_audio_tokens=min(given, _count(prompt.audio_tokens if prompt else None)),
        output_audio_tokens=min(output, _count(completion.audio_tokens if completion else None)),
        web_searches=_searches(answered),
        service_tier=service_tier,
    )


def _searches(answered: AnsweredUsage) -> int:
    hosted = answered.server_tool_use
    told = hosted.get("web_search_requests") if isinstance(hosted, dict) else None
    return _count(told if isinstance(told, int | float) else answered.num_search_queries)


def _count(value: int | float | None) -> int:
    return min(_COUNT_MAX, max(0, int(value))) if value else 0


def write_usage(usage: Usage) -> dict[str, Any]:
    prompt = {"cached_tokens": usage.cache_read_tokens, "audio_tokens": usage.input_audio_tokens}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
