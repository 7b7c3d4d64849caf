"""Errors, read from OpenAI and written for callers of Responses."""

from __future__ import annotations

import json

import pytest

from isthmus.errors import GatewayError, InvalidRequest, Rejected, Throttled, Unavailable
from isthmus.wire.openai_responses import DIALECT


@pytest.mark.parametrize(
    ("status", "error"), [(400, Rejected), (401, Rejected), (429, Throttled), (500, Unavailable), (503, Unavailable)]
)
def test_read_by_status(status, error):
    body = {"error": {"message": "Oh.", "type": "some_error", "param": "input", "code": "some_code"}}
    read = DIALECT.read_error(status, json.dumps(body).encode(), 2.5)
    assert type(read) is error
    assert (read.status, read.message, read.kind, read.param, read.retry_after) == (
        status, "Oh.", "some_error", "input", 2.5,
    )  # fmt: skip


def test_a_body_of_another_shape():
    assert DIALECT.read_error(503, b"<html>", None).message == "The provider answered with status 503."


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("No.", param="input.0"), "invalid_request_error"),
        (GatewayError("No.", status=402), "insufficient_quota"),
        (GatewayError("No.", status=403), "permission_denied"),
        (Throttled("No."), "rate_limit_error"),
        (Unavailable("No.", status=529), "overloaded_error"),
    ],
)
def test_written(error, kind, validate):
    written = json.loads(DIALECT.write_error(error, "req_7"))
    assert written == {
        "error": {"message": "No.", "type": kind, "param": error.param, "code": str(error.code)},
        "success": False,
        "errors": [{"code": error.code, "message": "No."}],
    }
    validate("ErrorResponse", written)
