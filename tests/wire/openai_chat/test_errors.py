"""Errors read from providers, by status, and written in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.errors import (
    GatewayError,
    InternalError,
    InvalidRequest,
    Malformed,
    Rejected,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
    UpstreamError,
)
from isthmus.wire.openai_chat import OPENAI_CHAT

OPENAIS = b'{"error":{"message":"No.","type":"invalid_request_error","param":"n","code":"bad"}}'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, Rejected),
        (403, Rejected),
        (404, Rejected),
        (408, TimedOut),
        (413, Rejected),
        (422, Rejected),
        (429, Throttled),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, TimedOut),
        (529, Unavailable),
    ],
)
def test_the_status_says_what_it_is_and_is_kept(status: int, kind: type[UpstreamError]) -> None:
    error = OPENAI_CHAT.read_error(status, OPENAIS, 3.5)
    assert type(error) is kind
    assert (error.status, error.message, error.kind, error.param) == (status, "No.", "invalid_request_error", "n")
    assert error.retry_after == 3.5
    assert error.retryable is not (kind is Rejected)


def test_a_redirect_is_nonsense() -> None:
    assert type(OPENAI_CHAT.read_error(302, b"", None)) is Malformed


@pytest.mark.parametrize(
    "body",
    [
        OPENAIS,
        b'[{"error":{"code":400,"message":"No.","status":"INVALID_ARGUMENT"}}]',
        b'{"error":"No."}',
        b'{"message":"No."}',
        b'{"detail":"No."}',
        b'{"object":"error","message":"No.","type":"BadRequestError","code":400}',
        b'{"success":false,"errors":[{"code":7000,"message":"No."}]}',
    ],
)
def test_the_message_is_found_in_many_shapes(body: bytes) -> None:
    assert OPENAI_CHAT.read_error(400, body, None).message == "No."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail":[{"loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}', "body.seed: Extra inputs"),
        (b'{"object":"error","message":{"detail":[{"loc":["body",0],"msg":"Wrong"}]}}', "body.0: Wrong"),
        (b'{"detail":[{"msg":"Wrong"}]}', "Wrong"),
        (b'{"detail":[{"loc":["body"]}]}', "The provider answered with status 422."),
    ],
)
def test_what_fastapi_says(body: bytes, message: str) -> None:
    assert OPENAI_CHAT.read_error(422, body, None).message.startswith(message)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error":3}', b'{"error":{"message":[]}}', b"\xff"])
def test_a_body_without_a_message_gets_one(body: bytes) -> None:
    assert OPENAI_CHAT.read_error(503, body, None).message == "The provider answered with status 503."


def written(error: GatewayError) -> Any:
    return msgspec.json.decode(OPENAI_CHAT.write_error(error, "req-1"))


def test_openais_shape_with_v4_beside_it() -> None:
    assert written(InvalidRequest("`n` must be 1.", param="n", code=7001)) == {
        "error": {"message": "`n` must be 1.", "type": "invalid_request_error", "param": "n", "code": "7001"},
        "success": False,
        "errors": [{"code": 7001, "message": "`n` must be 1."}],
    }


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unsupported("m"), "invalid_request_error"),
        (GatewayError("m", status=401), "authentication_error"),
        (GatewayError("m", status=402), "insufficient_quota"),
        (GatewayError("m", status=403), "permission_denied"),
        (GatewayError("m", status=404), "not_found_error"),
        (GatewayError("m", status=413), "request_too_large"),
        (GatewayError("m", status=424), "invalid_request_error"),
        (GatewayError("m", status=429), "rate_limit_error"),
        (GatewayError("m", status=529), "overloaded_error"),
        (InternalError("m"), "api_error"),
        (Malformed("m"), "api_error"),
        (GatewayError("m", status=403, kind="spend_unresolved"), "spend_unresolved"),
    ],
)
def test_the_type_follows_the_status(error: GatewayError, kind: str) -> None:
    assert written(error)["error"]["type"] == kind


@pytest.mark.parametrize(
    ("kind", "told"),
    [("context_length_exceeded",) * 2, ("ThrottlingException", "rate_limit_error"), (None, "rate_limit_error")],
)
def test_another_vendors_names_are_not_told(kind: str | None, told: str) -> None:
    error = Throttled("Slow down.", kind=kind)
    assert msgspec.json.decode(OPENAI_CHAT.write_error(error, "id"))["error"]["type"] == told
