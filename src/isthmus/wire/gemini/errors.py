"""Errors in Google's words (google.rpc.Status): a provider's read, ours written."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from isthmus.errors import GatewayError, Unavailable, UpstreamError
from isthmus.wire import statuses
from isthmus.wire.gemini.schema import AnsweredError
from isthmus.wire.statuses import upstream_error

MESSAGE_MAX_CHARS = 4000
RETRY_MAX_SECONDS = 86_400

# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_STATUS_OF_NAME = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}
_NAME_OF_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_UNKNOWN_STATUS = 502

_TYPES = "type.googleapis.com/google.rpc."
_KEY_REFUSED_SAID = "The provider refused this installation's credential. Its operator must renew it."
# Google answers 400 and 403, not 401, to a key that it does not take: that is the installation's, not the caller's.
_KEY_REFUSED = frozenset(("API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED"))


class _Body(msgspec.Struct, frozen=True):
    error: AnsweredError | str | None = None
    message: str | None = None


_decode = msgspec.json.Decoder(_Body | list[_Body]).decode


def read_error(status: int, body: bytes, retry_after: float | None) -> UpstreamError:
    """By status; a body that is not Google's (a proxy's page) gives no message of its own. A streamed call's error may
    stand in a list."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = _Body()
    if isinstance(answer, list):
        answer = answer[0] if answer else _Body()
    error = answer.error
    if not isinstance(error, AnsweredError):
        error = AnsweredError(message=error or answer.message)
    if _refuses_key(error):
        return Unavailable(_KEY_REFUSED_SAID, status=503)
    return upstream_error(
        status,
        error.message[:MESSAGE_MAX_CHARS] if error.message else f"The provider answered with status {status}.",
        kind=error.status or None,
        param=_field(error),
        retry_after=retry_after if retry_after is not None else _retry_delay(error),
    )


def stated_error(error: AnsweredError) -> UpstreamError:
    """An error where an answer should be: inside a stream, or with status 200."""
    if _refuses_key(error):
        return statuses.stated_error(401, "")
    message = error.message or "The provider reported an error."
    return statuses.stated_error(
        _status(error), message[:MESSAGE_MAX_CHARS], kind=error.status or None, param=_field(error)
    )


def write_error(error: GatewayError) -> bytes:
    """Google's shape, and beside it what readers of the v4 envelope look for (data-plane 5.1). Google's SDKs know an
    error in a stream by its first characters, so that `error` is the first field, and nothing is put between."""
    name = error.kind if error.kind in _STATUS_OF_NAME else None
    details: list[dict[str, Any]] = [
        {
            "@type": _TYPES + "ErrorInfo",
            "reason": f"GATEWAY_{error.code}",
            "domain": "ai-gateway",
            "metadata": {"code": str(error.code)},
        }
    ]
    if error.param is not None:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": _TYPES + "BadRequest", "fieldViolations": [violation]})
    if error.retry_after is not None:
        details.append({"@type": _TYPES + "RetryInfo", "retryDelay": f"{math.ceil(error.retry_after)}s"})
    stated = {
        "code": error.status,
        "message": error.message,
        "status": name or _name(error.status),
        "details": details,
    }
    return msgspec.json.encode(
        {"error": stated, "success": False, "errors": [{"code": error.code, "message": error.message}]}
    )


def _name(status: int) -> str:
    known = _NAME_OF_STATUS.get(status)
    return known or ("INVALID_ARGUMENT" if 400 <= status < 500 else "INTERNAL")


def _status(error: AnsweredError) -> int:
    if isinstance(error.code, int | float) and 400 <= error.code <= 599:
        return int(error.code)
    return _STATUS_OF_NAME.get(error.status or "", _UNKNOWN_STATUS)


def _detail(error: AnsweredError, kind: str) -> dict[str, Any]:
    return next((detail for detail in error.details or () if detail.get("@type") == _TYPES + kind), {})


def _refuses_key(error: AnsweredError) -> bool:
    return _detail(error, "ErrorInfo").get("reason") in _KEY_REFUSED


def _field(error: AnsweredError) -> str | None:
    violations = _detail(error, "BadRequest").get("fieldViolations")
    first = violations[0] if isinstance(violations, list) and violations else None
    field = first.get("field") if isinstance(first, dict) else None
    return field if isinstance(field, str) and field else None


def _retry_delay(error: AnsweredError) -> float | None:
    """A protobuf Duration: "34.07s"."""
    delay = _detail(error, "RetryInfo").get("retryDelay")
    try:
        seconds = float(delay.removesuffix("s")) if isinstance(delay, str) else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds <= RETRY_MAX_SECONDS else None
