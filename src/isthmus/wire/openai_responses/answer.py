"""What a finished response says of itself: why it stopped, what it used, and what went wrong."""

from __future__ import annotations

from typing import Any

from isthmus.core.event import FinishReason
from isthmus.core.usage import Usage
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.openai_chat.errors import stated_error
from isthmus.wire.openai_responses.schema import AnsweredUsage, ResponseHead


def finish_reason(status: str | None, incomplete: str | None, called: bool) -> FinishReason:
    """A response has no reason of its own for calls: it has calls."""
    if status == "incomplete":
        return "content_filter" if incomplete == "content_filter" else "length"
    return "tool_calls" if called else "stop"


def incomplete_reason(response: ResponseHead) -> str | None:
    return response.incomplete_details.reason if response.incomplete_details else None


def read_usage(answered: AnsweredUsage) -> Usage:
    given, made = answered.input_tokens_details, answered.output_tokens_details
    return Usage(
        input_tokens=int(answered.input_tokens or 0),
        output_tokens=int(answered.output_tokens or 0),
        cache_read_tokens=int((given.cached_tokens if given else None) or 0),
        cache_write_tokens=int((given.cache_write_tokens if given else None) or 0),
        reasoning_tokens=int((made.reasoning_tokens if made else None) or 0),
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


def failure(error: Any) -> UpstreamError:
    """Of a response that failed, whose error has a `code` and no `type`."""
    if isinstance(error, dict) and "type" not in error:
        error = {**error, "type": error.get("code")}
    return stated_error(error)


def failure_code(error: GatewayError) -> str:
    """The nearest of the few codes that a failed response may have."""
    if error.status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if 400 <= error.status < 500 else "server_error"
