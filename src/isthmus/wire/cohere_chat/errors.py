"""Errors in Cohere's words (`{"id", "message"}`): a provider's read, ours written."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire import statuses
from isthmus.wire.statuses import upstream_error

MESSAGE_MAX_CHARS = 4000

_UNKNOWN_STATUS = 502


def read_error(status: int, body: bytes, retry_after: float | None) -> UpstreamError:
    """By status alone: Cohere's errors have no code. A body that is not Cohere's gives no message of its own."""
    return upstream_error(
        status,
        _message(body) or f"The provider answered with status {status}.",
        retry_after=retry_after,
    )


def stated_error(message: str | None) -> UpstreamError:
    """An error where an answer should be: inside a stream, or with status 200. Its status is not told."""
    said = (message or "")[:MESSAGE_MAX_CHARS]
    return statuses.stated_error(_UNKNOWN_STATUS, said or "The provider reported an error.")


def write_error(error: GatewayError, request_id: str) -> bytes:
    """Cohere's shape, and beside it what readers of the v4 envelope look for (data-plane 5.1)."""
    stated = {"id": request_id, "message": error.message}
    envelope = {"success": False, "errors": [{"code": error.code, "message": error.message}]}
    return msgspec.json.encode(stated | envelope)


def _message(body: bytes) -> str | None:
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    said = answer.get("message") if isinstance(answer, dict) else None
    return said[:MESSAGE_MAX_CHARS] if isinstance(said, str) and said else None
