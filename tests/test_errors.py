"""Every error in the tree, in every dialect: one shape each, with the code and the words, and the right status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from isthmus import errors
from isthmus.core.call import Call
from isthmus.core.chat.event import Failed, Started
from isthmus.core.chat.request import Chat
from isthmus.core.ids import uuid7
from isthmus.core.refusal import refuse
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.routes import POST
from isthmus.errors import GatewayError, MethodNotAllowed, Native, Rejected, Throttled, TimedOutReading
from isthmus.providers.models import ModelTable
from isthmus.wire.registry import DIALECTS

MESSAGE = 'Something "went" wrong — ünïcode\n<b>& more</b>'
CHAT = Chat(model="openai/gpt-4o", messages=(), stream=True)
REQUEST_ID = "0190a0b0-0000-7000-8000-000000000000"


def tree(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


# Those of the tree; the control plane has some more of its own.
CLASSES = sorted(
    {kind for kind in tree(GatewayError) if kind.__module__ == errors.__name__}, key=lambda kind: kind.__name__
)

# Status and code (data-plane 5.2), and what it is called where its status says it.
TREE: dict[str, tuple[int, int]] = {
    "GatewayError": (500, 7000),
    "RequestError": (400, 7000),
    "InvalidRequest": (400, 7000),
    "Unsupported": (400, 7000),
    "TooLarge": (413, 3006),
    "Busy": (429, 3040),
    "RateLimited": (429, 2003),
    "TimedOutReading": (408, 3007),
    "Unauthenticated": (401, 10000),
    "Forbidden": (403, 10000),
    "NotFound": (404, 7003),
    "MethodNotAllowed": (405, 7001),
    "PolicyError": (403, 7000),
    "UpstreamError": (502, 2005),
    "Rejected": (400, 2005),
    "Throttled": (429, 2005),
    "Unavailable": (502, 2005),
    "TimedOut": (504, 2005),
    "Malformed": (502, 2005),
    "Interrupted": (502, 2005),
    "CallerLeft": (499, 499),
    "InternalError": (500, 7000),
}

# Data-plane 5.1, last list but one; OpenAI's own words where they differ.
TYPES: dict[int, tuple[str, str]] = {
    400: ("invalid_request_error", "invalid_request_error"),
    401: ("authentication_error", "authentication_error"),
    402: ("billing_error", "insufficient_quota"),
    403: ("permission_error", "permission_denied"),
    404: ("not_found_error", "not_found_error"),
    405: ("invalid_request_error", "invalid_request_error"),
    408: ("timeout_error", "invalid_request_error"),
    413: ("request_too_large", "request_too_large"),
    424: ("invalid_request_error", "invalid_request_error"),
    429: ("rate_limit_error", "rate_limit_error"),
    431: ("invalid_request_error", "invalid_request_error"),
    499: ("invalid_request_error", "invalid_request_error"),
    500: ("api_error", "api_error"),
    502: ("api_error", "api_error"),
    503: ("api_error", "api_error"),
    504: ("timeout_error", "api_error"),
    529: ("overloaded_error", "overloaded_error"),
}


# Google's google.rpc.Code for each, and the class of Bedrock's exceptions.
GOOGLES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
AMAZONS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}

# Callers speak the others; those of providers alone write an error in a stream as that provider would.
SPOKEN = [name for name, dialect in DIALECTS.items() if dialect.name not in ("bedrock_converse", "cohere_chat")]


def make(kind: type[GatewayError], **fields: Any) -> GatewayError:
    return kind(MESSAGE, allow="POST") if kind is MethodNotAllowed else kind(MESSAGE, **fields)


def check(dialect: str, found: dict[str, Any], error: GatewayError) -> None:
    """The one shape of a dialect's errors, v4's keys beside it."""
    assert found["success"] is False
    assert found["errors"] == [{"code": error.code, "message": MESSAGE}]
    in_messages, in_openai = TYPES[error.status]
    if dialect == "workers_ai":
        assert found == {"result": None, "success": False, "errors": found["errors"], "messages": []}
    elif dialect == "anthropic_messages":
        assert set(found) == {"type", "error", "request_id", "success", "errors"}
        assert found["type"] == "error" and found["error"] == {"type": in_messages, "message": MESSAGE}
    elif dialect == "gemini":
        told = found["error"]
        assert (told["code"], told["message"]) == (error.status, MESSAGE)
        assert told["status"] == GOOGLES.get(error.status, told["status"])
        assert told["details"][0]["metadata"] == {"code": str(error.code)}
    elif dialect == "bedrock_converse":
        assert found["message"] == MESSAGE and found["__type"] == AMAZONS.get(error.status, found["__type"])
    elif dialect == "cohere_chat":
        assert found["message"] == MESSAGE
    else:
        assert set(found) == {"error", "success", "errors"}
        assert found["error"] == {
            "message": MESSAGE,
            "type": in_openai,
            "param": error.param,
            "code": str(error.code),
        }


def test_the_tree_is_all_there_is() -> None:
    assert {kind.__name__: (kind.status, kind.code) for kind in CLASSES} == TREE


def test_the_drawing_shows_every_branch() -> None:
    drawn = {word for word in (errors.__doc__ or "").replace("├", " ").replace("└", " ").replace("─", " ").split()}
    missing = {kind.__name__ for kind in CLASSES} - drawn
    assert missing == set()


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", DIALECTS)
def test_each_error_in_each_dialect(name: str, kind: type[GatewayError]) -> None:
    dialect = DIALECTS[name]
    error = make(kind)
    found = msgspec.json.decode(dialect.write_error(error, REQUEST_ID))
    check(dialect.name, found, error)
    if dialect.name == "anthropic_messages":
        assert found["request_id"] == REQUEST_ID


@pytest.mark.parametrize("status", TYPES)
@pytest.mark.parametrize("name", DIALECTS)
def test_each_status_has_its_type(name: str, status: int) -> None:
    error = GatewayError(MESSAGE, status=status, code=2021, param="messages.0")
    assert (error.status, error.code) == (status, 2021)
    check(DIALECTS[name].name, msgspec.json.decode(DIALECTS[name].write_error(error, REQUEST_ID)), error)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", SPOKEN)
def test_each_error_within_a_stream(name: str, kind: type[GatewayError]) -> None:
    """One event, or for responses two: nothing before has to be there, and no end is said."""
    dialect = DIALECTS[name]
    error = make(kind)
    for begun in (False, True):
        writer = dialect.writer(False, CHAT)
        if begun:
            writer.write(Started(id="a", model="m", created=1))
        told = writer.write(Failed(error=error)) + writer.close()
        assert told.endswith(b"\n\n")
        blocks = [block.split(b"\n") for block in told[:-2].split(b"\n\n")]
        names = [lines[0].removeprefix(b"event: ") if len(lines) == 2 else b"" for lines in blocks]
        first = msgspec.json.decode(blocks[0][-1].removeprefix(b"data: "))
        if dialect.name == "openai_responses":
            assert names == [b"error", b"response.failed"][: 1 + begun]
            assert first["type"] == "error" and first["message"] == MESSAGE and first["code"] == str(error.code)
            assert first["error"]["message"] == MESSAGE and first["error"]["type"] == TYPES[error.status][1]
        else:
            assert names == [b"error" if dialect.name == "anthropic_messages" else b""]
            check(dialect.name, first, error)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_whole_answer_is_no_place_for_an_error(name: str) -> None:
    error = Throttled(MESSAGE)
    with pytest.raises(Throttled) as caught:
        DIALECTS[name].writer(True, CHAT).write(Failed(error=error))
    assert caught.value is error


@pytest.mark.parametrize("name", DIALECTS)
def test_a_name_of_the_providers_own(name: str) -> None:
    """OpenAI's callers see it; Anthropic's see one of Anthropic's."""
    error = Rejected(MESSAGE, status=400, kind="context_length_exceeded")
    found = msgspec.json.decode(DIALECTS[name].write_error(error, REQUEST_ID))
    if name == "anthropic_messages":
        assert found["error"]["type"] == "invalid_request_error"
    elif name.startswith("openai"):
        assert found["error"]["type"] == "context_length_exceeded"


# As answers.


def a_call(path: str) -> Call:
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=ModelTable({}, {}))
    return Call(uuid7(), POST[path], "a", f"/ai/{path}", {}, snapshot)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("path", POST)
def test_each_error_as_an_answer(path: str, kind: type[GatewayError]) -> None:
    call, error = a_call(path), make(kind)
    reply = refuse(call, error)
    assert reply.status == call.status == error.status and call.error is error
    assert reply.content_type == b"application/json" and reply.whole and reply.body is not None
    check(call.endpoint.errors.name, msgspec.json.decode(reply.body), error)
    headers = dict(reply.headers)
    assert (b"allow" in headers) is (kind is MethodNotAllowed)
    assert (headers.get(b"connection") == b"close") is (kind is TimedOutReading)


def test_retry_after_is_whole_seconds_and_never_nothing() -> None:
    for seconds, told in ((0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (1.2, b"2"), (86_400.0, b"86400")):
        reply = refuse(a_call("v1/messages"), Throttled(MESSAGE, retry_after=seconds))
        assert dict(reply.headers)[b"retry-after"] == told
    assert refuse(a_call("v1/messages"), Throttled(MESSAGE)).headers == []


def test_the_providers_own_answer_for_callers_of_its_dialect() -> None:
    error = Throttled(MESSAGE, retry_after=2)
    error.native = Native(429, b" {odd} ", "text/odd", "anthropic_messages", ((b"request-id", b"r1"),))
    reply = refuse(a_call("v1/messages"), error)
    assert (reply.status, reply.body, reply.content_type) == (429, b" {odd} ", b"text/odd")
    assert reply.headers == [(b"request-id", b"r1"), (b"retry-after", b"2")]
    # Other callers, and those who get an envelope, get the words in their own shape.
    for path in ("v1/chat/completions", "v1/responses", "run"):
        call = a_call(path)
        call.dialect = call.dialect or "anthropic_messages"
        reply = refuse(call, error)
        assert reply.body is not None
        check(call.endpoint.errors.name, msgspec.json.decode(reply.body), error)
        assert reply.headers == [(b"retry-after", b"2")]


def test_whose_fault_it_is_is_the_type() -> None:
    for kind in CLASSES:
        if issubclass(kind, errors.UpstreamError):
            assert kind.code == 2005
        if issubclass(kind, errors.RequestError):
            assert 400 <= kind.status < 500 and not kind.retryable
    retryable = {kind.__name__ for kind in CLASSES if kind.retryable}
    assert retryable == {"UpstreamError", "Throttled", "Unavailable", "TimedOut", "Malformed"}
