"""Errors in OpenAI's words: a provider's read, ours written."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire import statuses
from isthmus.wire.statuses import openai_error_type, upstream_error

MESSAGE_MAX_CHARS = 4000

# What an error inside a stream says of itself, as the status the same error has in an answer.
_STATUS_OF_KIND = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "tokens": 429,
    "requests": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "timeout": 504,
    "overloaded_error": 529,
}
_UNKNOWN_STATUS = 502

# What clients of OpenAI's match on; Amazon's and Google's names (`ThrottlingException`) are nothing to them.
_OWN_KIND = re.compile(r"[a-z][a-z_]*\Z")


def read_error(status: int, body: bytes, retry_after: float | None) -> UpstreamError:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    message, kind, param = _stated(answer)
    return upstream_error(
        status,
        message or f"The provider answered with status {status}.",
        kind=kind,
        param=param,
        retry_after=retry_after,
    )


def stated_error(error: Any) -> UpstreamError:
    """An error object where an answer should be: with status 200, or inside a stream."""
    message, kind, param = _stated({"error": error})
    return statuses.stated_error(_status(error), message or "The provider reported an error.", kind=kind, param=param)


def write_error(error: GatewayError) -> bytes:
    """OpenAI's shape, and beside it what readers of the v4 envelope look for (data-plane 5.1)."""
    stated = {
        "message": error.message,
        "type": error.kind if error.kind and _OWN_KIND.match(error.kind) else openai_error_type(error.status),
        "param": error.param,
        "code": str(error.code),
    }
    return msgspec.json.encode(
        {"error": stated, "success": False, "errors": [{"code": error.code, "message": error.message}]}
    )


def _stated(answer: Any) -> tuple[str | None, str | None, str | None]:
    """Message, kind and param, of OpenAI's shape and of those that compatible servers have instead: a list around it
    (Google), `error` as a string, `message` or `detail` at the top (FastAPI, vLLM), `errors` (Cloudflare)."""
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    if not isinstance(answer, dict):
        return None, None, None
    stated = answer.get("error") or answer
    if isinstance(stated, str):
        return stated[:MESSAGE_MAX_CHARS], None, None
    if not isinstance(stated, dict):
        return None, None, None
    listed = stated.get("errors")
    if isinstance(listed, list) and listed and isinstance(listed[0], dict):
        stated = listed[0] | {"type": None}
    message = _text(stated.get("message")) or _said_in_detail(stated.get("detail") or stated.get("message"))
    return message, _text(stated.get("type")), _text(stated.get("param"))


def _said_in_detail(detail: Any) -> str | None:
    """FastAPI's `detail`: words, or a list of {"loc": ["body", "seed"], "msg": "…"}; Mistral has it in `message`."""
    if isinstance(detail, dict):
        detail = detail.get("detail")
    if not isinstance(detail, list) or not detail or not isinstance(detail[0], dict):
        return _text(detail)
    said, place = _text(detail[0].get("msg")), detail[0].get("loc")
    steps = [str(step) for step in place if isinstance(step, str | int)] if isinstance(place, list) else []
    return said and f"{'.'.join(steps)}: {said}"[:MESSAGE_MAX_CHARS] if steps else said


def _text(value: Any) -> str | None:
    return value[:MESSAGE_MAX_CHARS] if isinstance(value, str) and value else None


def _status(error: Any) -> int:
    """By the error's own `status` or `code` where that is an HTTP status, else by its `code` or `type`."""
    if not isinstance(error, dict):
        return _UNKNOWN_STATUS
    for name in ("status", "code"):
        value = error.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    for name in ("code", "type"):
        status = _STATUS_OF_KIND.get(str(error.get(name)))
        if status is not None:
            return status
    return _UNKNOWN_STATUS
