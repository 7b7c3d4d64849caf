"""What a finished answer says of itself, between Google's words and ours: why it stopped, what it used; and the same
found at the ends of a relayed answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from isthmus.core.chat.event import Finished, FinishReason, Summary
from isthmus.core.chat.usage import Usage
from isthmus.wire.framing.sse import DONE
from isthmus.wire.gemini import schema

# How many events from a stream's end are looked at: the last one tells the reason and the usage, or is an error.
LAST_EVENTS = 4

_READ: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "malformed_tool_call",
    "UNEXPECTED_TOOL_CALL": "malformed_tool_call",
    "TOO_MANY_TOOL_CALLS": "malformed_tool_call",
    "MALFORMED_RESPONSE": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "IMAGE_OTHER": "error",
    "NO_IMAGE": "error",
    "OTHER": "error",
}
_WRITTEN: dict[FinishReason, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "context_length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "malformed_tool_call": "MALFORMED_FUNCTION_CALL",
    "pause": "OTHER",
    "error": "OTHER",
}
_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
_CALL = re.compile(rb'"functionCall"\s*:')

_Heads = schema.AnswerHead | list[schema.AnswerHead]
_decode_heads: Callable[[bytes], _Heads] = msgspec.json.Decoder(_Heads).decode
_decode_grounding = msgspec.json.Decoder(schema.HeadGrounding).decode


def finish_reason(given: str, called: bool) -> FinishReason:
    """A reason nobody knows is a stop. Google says STOP after calls too."""
    reason = _READ.get(given, "stop")
    return "tool_calls" if called and reason == "stop" else reason


def finished(given: str, called: bool, choice: int) -> Finished:
    reason = finish_reason(given, called)
    plain = reason in ("stop", "length", "tool_calls")
    return Finished(reason=reason, detail=None if plain else given, choice=choice)


def written_reason(finished: Finished) -> dict[str, str]:
    """Google's own word where that was the reason; another provider's words go into the message."""
    detail = finished.detail
    if detail is not None and _READ.get(detail) == finished.reason:
        return {"finishReason": detail}
    written = {"finishReason": _WRITTEN[finished.reason]}
    if detail:
        written["finishMessage"] = detail
    return written


def read_usage(given: schema.AnsweredUsage, web_searches: int = 0) -> Usage:
    read = _count(given.prompt_token_count) + _count(given.tool_use_prompt_token_count)
    thought = _count(given.thoughts_token_count)
    said = _count(given.candidates_token_count)
    heard = _audio(given.prompt_tokens_details) + _audio(given.tool_use_prompt_tokens_details)
    return Usage(
        input_tokens=read,
        output_tokens=said + thought,
        cache_read_tokens=min(_count(given.cached_content_token_count), read),
        reasoning_tokens=thought,
        input_audio_tokens=min(heard, read),
        output_audio_tokens=min(_audio(given.candidates_tokens_details), said),
        web_searches=web_searches,
        service_tier=given.service_tier or given.traffic_type,
    )


def written_usage(usage: Usage) -> dict[str, Any]:
    said = max(0, usage.output_tokens - usage.reasoning_tokens)
    written: dict[str, Any] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": said,
        "totalTokenCount": usage.total_tokens,
        "promptTokensDetails": _details(usage.input_tokens, usage.input_audio_tokens),
        "candidatesTokensDetails": _details(said, usage.output_audio_tokens),
    }
    if usage.cache_read_tokens:
        written["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.reasoning_tokens:
        written["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.service_tier in _TIERS:
        written["serviceTier"] = _TIERS[usage.service_tier]
    return written


def summarize(answer: bytes, whole: bool) -> Summary:
    """A whole answer may be a list: what a stream is without `alt=sse`."""
    if whole:
        head = _head(answer)
        heads = head if isinstance(head, list) else [head]
    else:
        lines = _lines(answer)
        heads = [head for line in lines for head in (_head(line),) if isinstance(head, schema.AnswerHead)]
    summary = Summary()
    for head in heads:
        summary = _added(summary, head)
    searches = sum(_searches(candidate) for head in heads for candidate in head.candidates or ())
    if searches and summary.usage is not None:
        usage = msgspec.structs.replace(summary.usage, web_searches=searches)
        summary = msgspec.structs.replace(summary, usage=usage)
    if summary.finish_reason == "stop" and _CALL.search(answer):
        summary = msgspec.structs.replace(summary, finish_reason="tool_calls")
    return summary


def _added(summary: Summary, head: schema.AnswerHead) -> Summary:
    """The last word on each thing holds."""
    reason = summary.finish_reason
    for candidate in head.candidates or ():
        if candidate.finish_reason:
            reason = finish_reason(candidate.finish_reason, False)
    if head.prompt_feedback is not None and head.prompt_feedback.block_reason and not head.candidates:
        reason = "content_filter"
    return Summary(
        model=head.model_version or summary.model,
        usage=summary.usage if head.usage_metadata is None else read_usage(head.usage_metadata),
        finish_reason=reason,
        failed=summary.failed or head.error is not None,
    )


def _searches(candidate: schema.HeadCandidate) -> int:
    try:
        return len(_decode_grounding(candidate.grounding_metadata).web_search_queries or ())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _head(data: bytes) -> _Heads:
    try:
        return _decode_heads(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return schema.AnswerHead()


def _lines(answer: bytes) -> list[bytes]:
    """The data of the last events, in their order. No JSON holds a line break, so that a line's start is one."""
    lines: list[bytes] = []
    end = len(answer)
    while len(lines) < LAST_EVENTS and end >= 0:
        at = max(answer.rfind(b"\ndata:", 0, end), answer.rfind(b"\rdata:", 0, end))
        if at < 0 and not answer.startswith(b"data:"):
            break
        # At the very start no line break comes before it, and -1 is where one would be.
        line = re.split(rb"[\r\n]", answer[at + 6 : end].lstrip(b" "), maxsplit=1)[0]
        if line != DONE:
            lines.append(line)
        end = at
    return lines[::-1]


def _count(given: float | None) -> int:
    return int(given) if given is not None and math.isfinite(given) and given > 0 else 0


def _audio(details: tuple[schema.ModalityCount, ...] | None) -> int:
    return sum(_count(detail.token_count) for detail in details or () if detail.modality == "AUDIO")


def _details(tokens: int, audio: int) -> list[dict[str, Any]]:
    details = [{"modality": "TEXT", "tokenCount": max(0, tokens - audio)}]
    return [*details, {"modality": "AUDIO", "tokenCount": audio}] if audio else details
