"""The messages of a socket (data-plane 12.1), as bytes of JSON: what a caller asks for, and what it is told.

`response` holds the provider's answer as it came where that is JSON, else its text, else base64 of its bytes (then
`metadata.encoding` says so). Of a stream it holds the data of one event at a time.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from isthmus.core.reply import Headers
from isthmus.data_plane.gateway_host.errors import GATEWAY_HOST_ERRORS
from isthmus.errors import GatewayError, InvalidRequest
from isthmus.wire.framing.sse import DONE

CREATE = "universal.create"
EVENT_ID_MAX_CHARACTERS = 256
EVENT_STREAM = "text/event-stream"
INVALID = 7001

# Of the head that an HTTP caller would get; the last ones are ours, where a socket has no other place for them.
_TOLD: Mapping[str, str] = {
    "cf-aig-cache-status": "cacheStatus",
    "cf-aig-log-id": "logId",
    "cf-aig-step": "step",
    "content-type": "contentType",
    "content-encoding": "contentEncoding",
    "retry-after": "retryAfter",
    "x-ratelimit-limit": "rateLimitLimit",
    "x-ratelimit-remaining": "rateLimitRemaining",
    "x-ratelimit-reset": "rateLimitReset",
    "cf-aig-fidelity": "fidelity",
    "cf-aig-notice": "notice",
    "cf-aig-run-id": "runId",
}

_is_json = msgspec.json.Decoder(msgspec.Raw).decode


class Create(msgspec.Struct, frozen=True):
    """`event_id` None: the caller named none. `request`: the step (data-plane 7.3), byte for byte."""

    event_id: str | None
    request: bytes


class Refused(msgspec.Struct, frozen=True):
    """A message that asks for nothing that could be done; `event_id` as far as it could be read."""

    event_id: str | None
    error: GatewayError


class _Message(msgspec.Struct):
    type: msgspec.Raw = msgspec.Raw(b"null")
    request: msgspec.Raw = msgspec.Raw(b"null")


class _Request(msgspec.Struct):
    event_id: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="eventId")


_read_message = msgspec.json.Decoder(_Message).decode
_read_request = msgspec.json.Decoder(_Request).decode
_read_any = msgspec.json.Decoder().decode


def read_create(data: bytes) -> Create | Refused:
    """Of a message in UTF-8."""
    try:
        message = _read_message(data)
        kind = _read_any(message.type)
        request = bytes(message.request)
        event_id = _read_any(_read_request(request).event_id) if request[:1] == b"{" else None
    except (msgspec.DecodeError, RecursionError):
        return _refused(None, "The message must be a JSON object.")
    named = event_id if isinstance(event_id, str) and len(event_id) <= EVENT_ID_MAX_CHARACTERS else None
    if kind != CREATE:
        return _refused(named, f"The message's `type` must be `{CREATE}`.", "type")
    if request[:1] != b"{":
        return _refused(None, "`request` must be an object: provider, endpoint, headers and query.", "request")
    if event_id is not None and not named:
        most = EVENT_ID_MAX_CHARACTERS
        return _refused(None, f"`eventId` must be a text of 1 to {most} characters.", "eventId")
    return Create(named, request)


def metadata_of(event_id: str | None, status: int, headers: Headers) -> dict[str, Any]:
    """All that a caller is told of its answer beside the answer. The vendor's keys first; an answer that the cache
    had nothing to do with is a MISS too."""
    told: dict[str, Any] = {"cacheStatus": "MISS"}
    if event_id is not None:
        told["eventId"] = event_id
    texts = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
    found = {_TOLD[name]: value for name, value in texts if name in _TOLD}
    return {**told, **found, "status": status}


def whole(metadata: Mapping[str, Any], body: bytes) -> bytes:
    """A whole answer, or an error. One without a body has `response: null`: without the key, a stream would begin."""
    response, encoded = _as_json(body) if body else (None, False)
    told = {**metadata, "encoding": "base64"} if encoded else metadata
    return _message("universal.created", told, response)


def refusal(event_id: str | None, error: GatewayError, metadata: Mapping[str, Any] | None = None) -> bytes:
    """An error of ours in the shape E2 (data-plane 5.1). `metadata`: what was known of an answer that came to
    nothing."""
    told = {**(metadata or {}), "contentType": "application/json", "status": error.status}
    if event_id is not None:
        told["eventId"] = event_id
    if error.retry_after is not None:
        told["retryAfter"] = str(max(1, math.ceil(error.retry_after)))
    return _message("universal.created", told, msgspec.Raw(GATEWAY_HOST_ERRORS.write_error(error, "")))


def begun(metadata: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"type": "universal.created", "metadata": metadata})


def pieces(event_id: str | None, events: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """One message an event. `[DONE]` is not told: `universal.done` says it."""
    told = {} if event_id is None else {"eventId": event_id}
    return [_message("universal.stream", told, _as_json(data)[0]) for _, data in events if data != DONE]


def failed(event_id: str | None, error: GatewayError) -> bytes:
    """The last piece of a stream that cannot go on, in the shape E2."""
    return pieces(event_id, [(b"", GATEWAY_HOST_ERRORS.write_error(error, ""))])[0]


def done(metadata: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"type": "universal.done", "metadata": metadata})


def _message(kind: str, metadata: Mapping[str, Any], response: object) -> bytes:
    return msgspec.json.encode({"type": kind, "metadata": metadata, "response": response})


def _as_json(data: bytes) -> tuple[object, bool]:
    """The value, and whether it is base64."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), True
    try:
        return _is_json(data), False
    except (msgspec.DecodeError, RecursionError):
        return text, False


def _refused(event_id: str | None, message: str, param: str | None = None) -> Refused:
    return Refused(event_id, InvalidRequest(message, code=INVALID, param=param))
