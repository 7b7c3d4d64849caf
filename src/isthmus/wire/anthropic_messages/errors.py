"""Errors in Anthropic's words: a provider's read, ours written."""

from __future__ import annotations

import msgspec

from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire import statuses
from isthmus.wire.anthropic_messages.schema import AnsweredError
from isthmus.wire.statuses import error_type, upstream_error

MESSAGE_MAX_CHARS = 4000

# https://docs.anthropic.com/en/api/errors: what an error inside a stream says of itself, as the status it has outside.
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPE_OF_STATUS = {status: kind for kind, status in _STATUS_OF_TYPE.items()} | {408: "timeout_error"}
_UNKNOWN_STATUS = 502


class _Answer(msgspec.Struct, frozen=True):
    error: AnsweredError | str | None = None
    message: str | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_error(status: int, body: bytes, retry_after: float | None) -> UpstreamError:
    """By status; a body that is not Anthropic's (a proxy's page) gives no message of its own."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = _Answer()
    error = answer.error
    if isinstance(error, AnsweredError):
        message, kind = error.message, error.type
    else:
        message, kind = error or answer.message, None
    return upstream_error(
        status,
        message[:MESSAGE_MAX_CHARS] if message else f"The provider answered with status {status}.",
        kind=kind,
        retry_after=retry_after,
    )


def stated_error(error: AnsweredError | None) -> UpstreamError:
    """An error where an answer should be: inside a stream, or with status 200."""
    kind = error.type if error else None
    message = (error.message if error else None) or "The provider reported an error."
    status = _STATUS_OF_TYPE.get(kind or "", _UNKNOWN_STATUS)
    return statuses.stated_error(status, message[:MESSAGE_MAX_CHARS], kind=kind)


def write_error(error: GatewayError, request_id: str | None) -> bytes:
    """Anthropic's shape, and beside it what readers of the v4 envelope look for (data-plane 5.1). `type` is always one
    of Anthropic's own: another provider's name for the error means nothing to its callers."""
    kind = error.kind
    if kind not in _STATUS_OF_TYPE:
        kind = _TYPE_OF_STATUS.get(error.status) or error_type(error.status)
    return msgspec.json.encode(
        {
            "type": "error",
            "error": {"type": kind, "message": error.message},
            "request_id": request_id,
            "success": False,
            "errors": [{"code": error.code, "message": error.message}],
        }
    )
