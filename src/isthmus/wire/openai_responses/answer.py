"""What a finished response says of itself: why it stopped, what it used, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus.core.chat.event import Finished, TokenLogprob
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.openai_chat.errors import stated_error
from isthmus.wire.openai_responses.schema import AnsweredLogprob, AnsweredUsage, ResponseHead

# Items that the caller must answer before the model goes on.
CALLS = frozenset(("function_call", "custom_tool_call"))
_KNOWN_REASONS = (None, "max_output_tokens", "content_filter")
# What a failed response may have been the caller's fault for, among the codes that the specification has.
_CALLERS_FAULT = frozenset(
    (
        "invalid_prompt",
        "invalid_image",
        "invalid_image_format",
        "invalid_base64_image",
        "invalid_image_url",
        "image_too_large",
        "image_too_small",
        "image_parse_error",
        "image_content_policy_violation",
        "invalid_image_mode",
        "image_file_too_large",
        "unsupported_image_media_type",
        "empty_image_file",
        "failed_to_download_image",
        "image_file_not_found",
    )
)
_CODES = _CALLERS_FAULT | {"server_error", "rate_limit_exceeded", "vector_store_timeout"}
_TIERS = frozenset(("auto", "default", "flex", "scale", "priority"))


def finished(status: str | None, incomplete: str | None, called: bool) -> Finished:
    """A response has no reason of its own for calls: it has calls."""
    if status == "incomplete":
        detail = incomplete if incomplete not in _KNOWN_REASONS else None
        return Finished(reason="content_filter" if incomplete == "content_filter" else "length", detail=detail)
    return Finished(reason="tool_calls" if called else "stop")


def incomplete_reason(response: ResponseHead) -> str | None:
    return response.incomplete_details.reason if response.incomplete_details else None


def read_usage(answered: AnsweredUsage, service_tier: str | None, web_searches: int) -> Usage:
    given, made = answered.input_tokens_details, answered.output_tokens_details
    return Usage(
        input_tokens=int(answered.input_tokens or 0),
        output_tokens=int(answered.output_tokens or 0),
        cache_read_tokens=int((given.cached_tokens if given else None) or 0),
        cache_write_tokens=int((given.cache_write_tokens if given else None) or 0),
        reasoning_tokens=int((made.reasoning_tokens if made else None) or 0),
        web_searches=web_searches,
        service_tier=service_tier,
    )


def written_usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def written_tier(usage: Usage) -> str:
    """Other vendors' words for the usual one ("standard") are OpenAI's "default"."""
    return usage.service_tier if usage.service_tier in _TIERS else "default"


def read_logprobs(given: Iterable[AnsweredLogprob] | None) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            token=one.token,
            logprob=one.logprob,
            top=tuple((rival.token, rival.logprob) for rival in one.top_logprobs or ()),
        )
        for one in given or ()
    )


def written_logprobs(logprobs: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    return [
        _token(one.token, one.logprob) | {"top_logprobs": [_token(token, logprob) for token, logprob in one.top]}
        for one in logprobs
    ]


def failure(error: Any) -> UpstreamError:
    """Of a response that failed, whose error has a `code` and no `type`."""
    if isinstance(error, dict):
        code = str(error.get("code"))
        error = {"type": error.get("code")} | error | ({"status": 400} if code in _CALLERS_FAULT else {})
    return stated_error(error)


def failure_code(error: GatewayError) -> str:
    """The provider's own where it is one of the few that a failed response may have, else the nearest of them."""
    if error.kind in _CODES:
        return error.kind
    if error.status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if 400 <= error.status < 500 else "server_error"


def _token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}
