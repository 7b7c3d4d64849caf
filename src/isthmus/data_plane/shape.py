"""What of ours goes around a whole answer: `gatewayMetadata`, and the envelope of `/ai/run` (data-plane 4.2, 4.3)."""

from __future__ import annotations

from isthmus.core.attempt import Target
from isthmus.core.call import Call

_METADATA = b'"gatewayMetadata":{"keySource":"Unified"}'
_OPEN = b'{"result":'
_CLOSE = b',"success":true,"errors":[],"messages":[]}'


def shaped(call: Call, target: Target, body: bytes) -> bytes:
    """Every byte of `body` stays as it is. Messages and Responses objects are left clean."""
    if not target.platform and call.own_key is None and (call.endpoint.enveloped or call.dialect == "openai_chat"):
        body = _with_metadata(body)
    return _OPEN + body + _CLOSE if call.endpoint.enveloped else body


def _with_metadata(body: bytes) -> bytes:
    end = body.rstrip()
    if not end.endswith(b"}"):
        return body
    start = end[:-1]
    return start + (b"," if not start.rstrip().endswith(b"{") else b"") + _METADATA + b"}" + body[len(end) :]
