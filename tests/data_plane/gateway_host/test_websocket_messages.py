"""The messages of a socket by themselves: whatever a caller sends, whatever a provider answers."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from isthmus.data_plane.gateway_host.websocket import messages
from isthmus.data_plane.gateway_host.websocket.caller import SocketCaller
from isthmus.data_plane.gateway_host.websocket.messages import Create, Refused, read_create
from isthmus.errors import GatewayError, InternalError
from isthmus.wire.framing.sse import event

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
HEAD = [(b"content-type", b"application/json"), (b"cf-aig-step", b"0")]


@given(st.one_of(st.binary(), JSON.map(lambda value: json.dumps(value).encode()), st.text().map(str.encode)))
def test_a_whole_answer_is_a_message(body: bytes) -> None:
    read = json.loads(messages.whole(messages.metadata_of("e", 200, HEAD), body))
    response, metadata = read["response"], read["metadata"]
    if metadata.get("encoding") == "base64":
        assert base64.b64decode(response) == body
    elif isinstance(response, str) and not _is_json(body):
        assert response.encode() == body
    else:
        assert response == (json.loads(body) if body else None)


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


@given(JSON, JSON, JSON)
def test_any_json_is_read_or_refused(kind: Any, event_id: Any, request: Any) -> None:
    for value in (
        kind,
        {"type": kind, "request": request},
        {"type": "universal.create", "request": request},
        {"type": "universal.create", "request": {"eventId": event_id, "x": request}},
    ):
        read = read_create(json.dumps(value).encode())
        if isinstance(read, Refused):
            assert read.error.status == 400
            json.loads(messages.refusal(read.event_id, read.error))
        else:
            assert json.loads(read.request) == value["request"]


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(read_create(text.encode()), Create | Refused)


class Sent:
    """What a caller was told, and how often it was told the end."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.ends = 0

    async def send(self, message: bytes) -> None:
        self.messages.append(json.loads(message))

    def end(self) -> None:
        self.ends += 1


@given(
    st.lists(JSON, max_size=5), st.lists(st.integers(1, 60), max_size=30), st.sampled_from(["end", "finish", "stop"])
)
async def test_a_stream_is_told_event_by_event(values: list[Any], cuts: list[int], way: str) -> None:
    """However its bytes are cut, and however it ends, the last message comes once."""
    sent = Sent()
    caller = SocketCaller("e", sent.send, sent.end, 1000)
    data = b": a comment\n\n" + b"".join(event(json.dumps(value).encode()) for value in values) + event(messages.DONE)
    await caller.respond(200, [(b"content-type", b"text/event-stream; charset=utf-8")], b"", True)
    for cut in cuts:
        await caller.pass_on(data[:cut])
        data = data[cut:]
    await caller.pass_on(data, way != "end")
    if way == "stop":
        await caller.stop(503, HEAD, b"{}")
    await caller.finish(InternalError("no more") if way == "finish" else None)
    await caller.finish()
    begun, *pieces, done = sent.messages
    assert begun["metadata"] == done["metadata"] and begun["type"] == "universal.created" and sent.ends == 1
    told = [piece["response"] for piece in pieces]
    assert told[: len(values)] == values
    assert len(told) == len(values) + (way != "end")


async def test_an_answer_broken_off_is_an_error_with_what_was_known() -> None:
    sent = Sent()
    caller = SocketCaller("e", sent.send, sent.end, 1000)
    await caller.respond(200, [(b"content-type", b"audio/mpeg"), (b"cf-aig-log-id", b"x")], b"ab", True)
    caller.break_off()
    await caller.finish()
    (message,) = sent.messages
    assert message["metadata"]["logId"] == "x" and message["metadata"]["contentType"] == "application/json"
    assert message["metadata"]["status"] == message["response"]["httpCode"] == 502


async def test_bytes_that_are_no_text() -> None:
    sent = Sent()
    caller = SocketCaller("e", sent.send, sent.end, 1000)
    await caller.respond(200, [(b"content-type", b"audio/mpeg")], b"\xff", True)
    await caller.pass_on(b"\xfe", True)
    await caller.pass_on(b"", False)
    (message,) = sent.messages
    assert base64.b64decode(message["response"]) == b"\xff\xfe"
    assert message["metadata"]["encoding"] == "base64"


async def test_an_event_that_is_too_large_can_be_told_of() -> None:
    sent = Sent()
    caller = SocketCaller("e", sent.send, sent.end, 1000)
    await caller.respond(200, [(b"content-type", b"text/event-stream")], b"", True)
    try:
        await caller.pass_on(b"data: " + b"x" * 17 * 1024 * 1024)
    except GatewayError as error:
        await caller.finish(error)
    assert [message["type"] for message in sent.messages] == [
        "universal.created",
        "universal.stream",
        "universal.done",
    ]
