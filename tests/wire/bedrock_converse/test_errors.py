"""Errors in AWS's words, read and written."""

from __future__ import annotations

import json

import pytest

from isthmus import errors
from isthmus.errors import Busy, InvalidRequest, Malformed, Rejected, Throttled, TimedOut, Unavailable
from isthmus.wire.bedrock_converse import DIALECT
from isthmus.wire.bedrock_converse.errors import stated_error, stream_exception_name


@pytest.mark.parametrize(
    ("status", "body", "kind", "name", "message"),
    [
        (400, {"message": "Bad."}, Rejected, None, "Bad."),
        (
            400,
            {"__type": "com.amazon.coral.validate#ValidationException", "Message": "Bad."},
            Rejected,
            "ValidationException",
            "Bad.",
        ),
        (
            403,
            {"__type": "AccessDeniedException:http://a.example", "message": "No."},
            Rejected,
            "AccessDeniedException",
            "No.",
        ),
        (404, {"message": None}, Rejected, None, "The provider answered with status 404."),
        (408, {"message": "Late."}, TimedOut, None, "Late."),
        (424, {"message": "Broken.", "originalStatusCode": 500}, Unavailable, None, "Broken."),
        (424, {"message": "Refused.", "originalStatusCode": 400}, Rejected, None, "Refused."),
        (429, {"message": "Slow down."}, Throttled, None, "Slow down."),
        (500, {"message": "Oh."}, Unavailable, None, "Oh."),
        (503, ["x"], Unavailable, None, "The provider answered with status 503."),
        (302, {"message": "Elsewhere."}, Malformed, None, "The provider answered with status 302: Elsewhere."),
    ],
)
def test_read(status, body, kind, name, message):
    error = DIALECT.read_error(status, json.dumps(body).encode(), 7.0)
    assert type(error) is kind and (error.kind, error.message) == (name, message)
    assert error.status == (status if status != 302 else 502)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'{"message":' + b"[" * 100_000, b'{"message":7}'])
def test_read_what_is_no_error_of_aws(body):
    assert DIALECT.read_error(502, body, None).message == "The provider answered with status 502."


def test_long_messages_are_cut():
    assert len(DIALECT.read_error(400, json.dumps({"message": "x" * 10_000}).encode(), None).message) == 4000


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("internalServerException", 500, Unavailable),
        ("modelStreamErrorException", 424, Unavailable),
        ("validationException", 400, Rejected),
        ("throttlingException", 429, Throttled),
        ("serviceUnavailableException", 503, Unavailable),
        ("modelTimeoutException", 408, TimedOut),
        ("unrecognizedClientException", 503, Unavailable),  # the installation's credential is nobody's business
        ("newException", 502, Unavailable),
        ("", 502, Unavailable),
    ],
)
def test_exceptions_of_a_stream(name, status, kind):
    error = stated_error(name, b'{"message":"Oh."}')
    assert type(error) is kind and error.status == status
    assert stated_error(name, b"no JSON").message


def every_error():
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.GatewayError):
            arguments = ("Oh.", "POST") if kind is errors.MethodNotAllowed else ("Oh.",)
            yield kind(*arguments)


@pytest.mark.parametrize("error", list(every_error()), ids=lambda error: type(error).__name__)
def test_written(error, validate):
    body = json.loads(DIALECT.write_error(error, "01J"))
    assert body.keys() == {"__type", "message", "success", "errors"}
    assert body["message"] == "Oh." and body["errors"] == [{"code": error.code, "message": "Oh."}]
    if body["__type"] not in OTHERS:
        validate(body["__type"], {"message": body["message"]})
    assert stream_exception_name(error) in IN_STREAMS


# Of all AWS's services, not in the model of this one.
OTHERS = {"UnrecognizedClientException", "RequestEntityTooLargeException"}
IN_STREAMS = {
    "internalServerException",
    "modelStreamErrorException",
    "validationException",
    "throttlingException",
    "serviceUnavailableException",
}


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (InvalidRequest("x"), "ValidationException"),
        (Busy("x"), "ThrottlingException"),
        (Unavailable("x", status=503, kind="overloaded_error"), "ServiceUnavailableException"),
        (Unavailable("x", kind="api_error"), "InternalServerException"),
        (Rejected("x", kind="ServiceQuotaExceededException"), "ServiceQuotaExceededException"),
    ],
)
def test_names(error, name):
    assert json.loads(DIALECT.write_error(error, "01J"))["__type"] == name
