"""Response objects that no provider wrote: of an answer that is waited for, and of one that came to nothing. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.errors import GatewayError
from isthmus.wire.body import Body
from isthmus.wire.framing.sse import event
from isthmus.wire.openai_responses.answer import failure_code

# What a response object says where the request does not (OpenAI's OpenAPI, Response).
_DEFAULTS: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "model": "",
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "auto",
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "metadata": {},
}
_encode = msgspec.json.encode


def queued(request: Body, created_at: int) -> bytes:
    """With the request's own parameters."""
    fields: dict[str, Any] = {
        "id": "",
        "object": "response",
        "created_at": created_at,
        "status": "queued",
        "background": True,
        "completed_at": None,
        "conversation": None,
        "error": None,
        "incomplete_details": None,
        "output": [],
        "previous_response_id": None,
        "store": True,
        "usage": None,
    }
    for name, otherwise in _DEFAULTS.items():
        raw = request.fields.get(name)
        fields[name] = otherwise if raw is None or bytes(raw) == b"null" else raw
    return _encode(fields)


def told(before: bytes, ended: bytes) -> bytes:
    """The events of an answer of which there was nothing but its end."""
    status = Body(ended).value("status")
    last = "response.failed" if status == "failed" else "response.incomplete"
    stages = (("response.created", before), (last, ended))
    return b"".join(
        event(_encode({"type": kind, "sequence_number": number, "response": msgspec.Raw(response)}), kind.encode())
        for number, (kind, response) in enumerate(stages)
    )


def failed(response: bytes, error: GatewayError) -> bytes:
    stated = {"code": failure_code(error), "message": error.message}
    return Body(response).changed({"status": b'"failed"', "error": _encode(stated)})


def cancelled(response: bytes) -> bytes:
    return Body(response).changed({"status": b'"cancelled"'})
