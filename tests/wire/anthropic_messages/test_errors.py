"""Errors, read from Anthropic and written for its callers."""

from __future__ import annotations

import json

import pytest

from isthmus.errors import (
    GatewayError,
    InternalError,
    InvalidRequest,
    Malformed,
    Rejected,
    Throttled,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from isthmus.wire.anthropic_messages import DIALECT


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", Rejected),
        (401, "authentication_error", Rejected),
        (402, "billing_error", Rejected),
        (403, "permission_error", Rejected),
        (404, "not_found_error", Rejected),
        (408, "timeout_error", TimedOut),
        (413, "request_too_large", Rejected),
        (429, "rate_limit_error", Throttled),
        (500, "api_error", Unavailable),
        (504, "timeout_error", TimedOut),
        (529, "overloaded_error", Unavailable),
        (302, "x", Malformed),
    ],
)
def test_read_by_status(status, kind, error):
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "Oh."}, "request_id": "req_1"}).encode()
    read = DIALECT.read_error(status, body, 2.5)
    assert type(read) is error and read.kind == kind and "Oh." in read.message
    if error is not Malformed:
        assert read.status == status and read.retry_after == 2.5


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>Bad Gateway</html>", "The provider answered with status 503."),
        (b"", "The provider answered with status 503."),
        (b'{"error":"Busy."}', "Busy."),
        (b'{"message":"Busy."}', "Busy."),
        (b'{"error":{"message":null}}', "The provider answered with status 503."),
        (b'{"error":[1]}', "The provider answered with status 503."),
        (b'{"error":{"message":"' + b"x" * 9000 + b'"}}', "x" * 4000),
    ],
)
def test_a_body_of_another_shape(body, message):
    assert DIALECT.read_error(503, body, None).message == message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("No."), "invalid_request_error"),
        (Unauthenticated("No."), "authentication_error"),
        (GatewayError("No.", status=402), "billing_error"),
        (GatewayError("No.", status=403), "permission_error"),
        (GatewayError("No.", status=404), "not_found_error"),
        (GatewayError("No.", status=413), "request_too_large"),
        (GatewayError("No.", status=424), "invalid_request_error"),
        (GatewayError("No.", status=429), "rate_limit_error"),
        (GatewayError("No.", status=401), "authentication_error"),
        (GatewayError("No.", status=408), "timeout_error"),
        (GatewayError("No.", status=500), "api_error"),
        (GatewayError("No.", status=503), "api_error"),
        (GatewayError("No.", status=504), "timeout_error"),
        (InternalError("No."), "api_error"),
        (Unavailable("No.", status=529), "overloaded_error"),
        (Unavailable("No.", status=529, kind="overloaded_error"), "overloaded_error"),
        (Throttled("No.", kind="insufficient_quota"), "rate_limit_error"),
    ],
)
def test_written(error, kind):
    assert json.loads(DIALECT.write_error(error, "req_7")) == {
        "type": "error",
        "error": {"type": kind, "message": "No."},
        "request_id": "req_7",
        "success": False,
        "errors": [{"code": error.code, "message": "No."}],
    }


def test_what_is_written_is_read_again(validate):
    for error in (InvalidRequest("No."), Throttled("No."), Unavailable("No.", status=503)):
        written = DIALECT.write_error(error, "req_7")
        validate("ErrorResponse", json.loads(written))
        read = DIALECT.read_error(error.status, written, None)
        assert (read.status, read.message) == (error.status, "No.")
