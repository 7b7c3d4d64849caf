"""How a log row is shown: the fields of the public API (control-plane 7.1) and a few of ours beside them."""

from __future__ import annotations

import base64
import codecs

import msgspec

from isthmus.control_plane.instant import write_instant
from isthmus.core.entry import LogEntry

HEAD_BYTES = 1000
"""How much of a payload the row itself shows."""

_OPTIONAL = (
    "metadata",
    "model_type",
    "request_type",
    "request_content_type",
    "response_content_type",
    "user_agent",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "finish_reason",
    "error_code",
    "error_message",
)
"""Left out where there is nothing to say."""


def shape(entry: LogEntry) -> dict[str, object]:
    """A row as a list shows it. `tokens_in` and `tokens_out` are null where they are not known."""
    shown: dict[str, object] = {
        "id": entry.id,
        "created_at": write_instant(entry.created_at),
        "provider": entry.provider,
        "model": entry.model,
        "path": entry.path,
        "duration": entry.duration_ms,
        "success": entry.success,
        "cached": entry.cached,
        "tokens_in": entry.tokens_in,
        "tokens_out": entry.tokens_out,
        "status_code": entry.status_code,
        "step": entry.step,
        "event_id": entry.event_id,
        "authentication": entry.authentication,
        "wholesale": entry.wholesale,
        "streamed": entry.streamed,
        "end": entry.end,
        "first_byte": entry.first_byte_ms,
    }
    shown.update((name, value) for name in _OPTIONAL if (value := getattr(entry, name)) is not None)
    if entry.notes is not None:
        shown["notes"] = msgspec.Raw(entry.notes.encode())
    if entry.tokens_in is not None or entry.tokens_out is not None:
        tokens_in, tokens_out = entry.tokens_in or 0, entry.tokens_out or 0
        usage = {"input_tokens": tokens_in, "output_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
        shown["usage_metadata"] = usage
    return shown


def shape_with_heads(entry: LogEntry) -> dict[str, object]:
    """A row as it is shown alone."""
    shown = shape(entry)
    shown["request_size"] = entry.request_size
    shown["response_size"] = entry.response_size
    if entry.request_body is not None:
        shown["request_head"] = _head(entry.request_body)
        shown["request_head_complete"] = entry.request_complete and len(entry.request_body) <= HEAD_BYTES
    if entry.response_body is not None:
        shown["response_head"] = _head(entry.response_body)
        shown["response_head_complete"] = entry.response_complete and len(entry.response_body) <= HEAD_BYTES
    return shown


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """`form`: `json`, as it was; or a JSON string of it: `text`, `base64` (not UTF-8), `truncated` (its beginning)."""

    body: bytes
    form: str


def payload(body: bytes, complete: bool) -> Payload:
    if not complete:
        return Payload(body=msgspec.json.encode(_text_so_far(body)), form="truncated")
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _as_string(body)
    return Payload(body=body, form="json")


def _as_string(body: bytes) -> Payload:
    try:
        return Payload(body=msgspec.json.encode(body.decode()), form="text")
    except UnicodeDecodeError:
        return Payload(body=msgspec.json.encode(base64.b64encode(body).decode()), form="base64")


def _head(body: bytes) -> str:
    return _text_so_far(body[:HEAD_BYTES])


def _text_so_far(body: bytes) -> str:
    """A character that is cut through at the end is left out, not shown as broken."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(body)
