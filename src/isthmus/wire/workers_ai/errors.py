"""Errors in Cloudflare's words: the v4 envelope (data-plane 5.1, E1), and the codes of its platform models (5.3)."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.statuses import upstream_error

MESSAGE_MAX_CHARS = 4000

# What an error inside a stream says of itself, as the status the same error has in an answer.
_STATUS_OF_CODE = {
    3003: 400,
    3006: 413,
    3007: 408,
    3008: 408,
    3023: 403,
    3036: 429,
    3040: 429,
    3041: 403,
    3042: 404,
    5004: 400,
    5006: 400,
    5007: 400,
    5016: 403,
    5018: 403,
    5021: 413,
}
_UNKNOWN_STATUS = 502


def read_error(status: int, body: bytes, retry_after: float | None) -> UpstreamError:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    code, message = _stated(answer)
    return upstream_error(
        status,
        message or f"The provider answered with status {status}.",
        kind=None if code is None else str(code),
        retry_after=retry_after,
    )


def stated(errors: list[Any]) -> dict[str, Any]:
    """Errors where an answer should be, in the shape that the reader of OpenAI's answers takes them."""
    code, message = _stated({"errors": errors})
    return {"message": message, "status": _STATUS_OF_CODE.get(code or 0, _UNKNOWN_STATUS)}


def write_error(error: GatewayError) -> bytes:
    listed = [{"code": error.code, "message": error.message}]
    return msgspec.json.encode({"result": None, "success": False, "errors": listed, "messages": []})


def _stated(answer: Any) -> tuple[int | None, str | None]:
    """Code and message, of the v4 envelope (`errors`), of the gateway's own (`error`, a list too: E2), or at the top
    (E5)."""
    if not isinstance(answer, dict):
        return None, None
    listed = answer.get("errors") or answer.get("error")
    first = listed[0] if isinstance(listed, list) and listed else answer
    if not isinstance(first, dict):
        return None, None
    code, message = first.get("code", first.get("internalCode")), first.get("message")
    return (
        code if isinstance(code, int) else None,
        message[:MESSAGE_MAX_CHARS] if isinstance(message, str) and message else None,
    )
