"""Whole answers, and the odd corners of streams that no golden case has."""

from __future__ import annotations

import json

import pytest

from isthmus.core.event import (
    Failed,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.usage import Usage
from isthmus.errors import Interrupted, Malformed, Unavailable
from isthmus.wire.anthropic_messages import DIALECT
from isthmus.wire.framing import whole as framing_whole

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 7},
}
USAGE = Usage(input_tokens=8, output_tokens=7, cache_read_tokens=3)


def whole(data):
    read = DIALECT.reader(whole=True)
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    events = [event for at in range(0, len(raw), 9) for event in read.feed(raw[at : at + 9])]
    assert events == []
    return read.close()


def streamed(*events, raw=b""):
    read = DIALECT.reader(whole=False)
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    found = read.feed(data + raw)
    return found + read.close()


def test_a_whole_answer():
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "So."},
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ]
    assert whole(MESSAGE | {"content": content, "stop_reason": "tool_use"}) == [
        Started(id="msg_1", model="claude", usage=USAGE),
        ReasoningDelta(text="Hm.", signature="s"),
        TextDelta(text="So."),
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments='{"x":1}'),
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments="{}"),
        UsageReported(usage=USAGE),
        Finished(reason="tool_calls"),
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("a_later_invention", "stop"),
        (None, "stop"),
    ],
)
def test_why_it_stopped(said, reason):
    assert whole(MESSAGE | {"stop_reason": said, "stop_sequence": "x"})[-1] == Finished(
        reason=reason, stop_sequence="x"
    )


def test_an_error_in_place_of_an_answer():
    failed = whole({"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}})[0]
    assert isinstance(failed, Failed) and isinstance(failed.error, Unavailable) and failed.error.status == 529


@pytest.mark.parametrize("data", [b'{"id":"msg_1","type":"mess', b'{"type":"message","content":['])
def test_a_whole_answer_cut_short(data):
    with pytest.raises(Interrupted):
        whole(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"[]", b"{}", b'{"type":"message","content":5}', b'{"object":"chat.completion"}', b'"\xff"'],
)
def test_what_is_no_message(data):
    with pytest.raises(Malformed):
        whole(data)


def test_a_whole_answer_without_an_end_is_bounded(monkeypatch):
    monkeypatch.setattr(framing_whole, "ANSWER_MAX_BYTES", 10)
    read = DIALECT.reader(whole=True)
    read.feed(b"x" * 10)
    with pytest.raises(Malformed):
        read.feed(b"x")


START = {"type": "message_start", "message": MESSAGE | {"usage": None}}
STOP = {"type": "message_stop"}


def test_compatible_servers_put_text_and_input_where_a_block_begins():
    block = {"type": "content_block_start"}
    events = streamed(
        START,
        block | {"index": 0, "content_block": {"type": "text", "text": "Hi"}},
        block | {"index": 1, "content_block": {"type": "thinking", "thinking": "Hm", "signature": "s"}},
        block | {"index": 2, "content_block": {"type": "tool_use", "name": "f", "input": {"x": 1}}},
        {"type": "content_block_stop", "index": 2},
        STOP,
    )
    assert events[1:3] == [TextDelta(text="Hi"), ReasoningDelta(text="Hm", signature="s")]
    assert isinstance(events[3], ToolCallStarted) and events[3].id.startswith("toolu_")
    assert events[4:] == [ToolCallDelta(index=0, arguments='{"x":1}'), Finished(reason="stop")]


def test_a_stream_with_the_least_in_it():
    started, finished = streamed({"type": "message_start"}, STOP, raw=b"data: [DONE]\n\ndata: nonsense\n\n")
    assert started.id.startswith("msg_") and started.model == "" and started.usage is None
    assert finished == Finished(reason="stop")


def test_done_and_deltas_of_unknown_blocks_are_passed_over():
    delta = {"type": "content_block_delta", "index": 9}
    events = streamed(
        START,
        delta | {"delta": {"type": "input_json_delta", "partial_json": "{}"}},
        delta | {"delta": {"type": "a_later_delta"}},
        delta,
        {"type": "content_block_start", "index": 1},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": None},
        {"type": "message_delta", "delta": {"stop_reason": None}},
        STOP,
    )
    assert len(events) == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"data: {\n\n",
        b"data: [1]\n\n",
        b'data: {"type": 5}\n\n',
        b'data: {"type":"content_block_delta","index":"x"}\n\n',
        b'data: {"type":"message_delta","usage":[]}\n\n',
    ],
)
def test_nonsense_in_a_stream(raw):
    with pytest.raises(Malformed):
        streamed(START, raw=raw)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("rate_limit_error", 429), ("invalid_request_error", 400), ("api_error", 500), ("timeout_error", 504), ("x", 502)],
)
def test_an_error_event_has_the_status_of_its_type(kind, status):
    failed = streamed(START, {"type": "error", "error": {"type": kind, "message": "Oh."}})[-1]
    assert failed.error.status == status and failed.error.kind == kind and failed.error.message == "Oh."


def test_an_error_event_that_says_nothing():
    assert streamed(START, {"type": "error"})[-1].error.message == "The provider reported an error."


def test_summaries_of_whole_answers():
    summary = DIALECT.summarize(json.dumps(MESSAGE).encode(), whole=True)
    assert (summary.model, summary.usage, summary.finish_reason, summary.failed) == ("claude", USAGE, "stop", False)
    assert DIALECT.summarize(b'{"type":"error","error":{}}', whole=True).failed
    for nonsense in (b"", b"<html>", b"[]", b"\xff", b'{"usage":5}'):
        assert DIALECT.summarize(nonsense, whole=True).usage is None
        assert DIALECT.summarize(nonsense, whole=False).usage is None


def test_the_summary_of_a_stream_with_a_hole_or_that_the_caller_left():
    start = b"event: message_start\ndata: " + json.dumps(
        {"type": "message_start", "message": MESSAGE}
    ).encode() + b"\n\n"  # fmt: skip
    summary = DIALECT.summarize(start, whole=False)
    assert (summary.model, summary.usage, summary.finish_reason) == ("claude", USAGE, None)
    end = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 70}}
    summary = DIALECT.summarize(b"data: " + json.dumps(end).encode() + b"\n\n", whole=False)
    assert (summary.model, summary.usage.output_tokens, summary.finish_reason) == (None, 70, "length")
    assert DIALECT.summarize(b'data: {"message_delta\n\n', whole=False).usage is None


def test_text_that_speaks_of_the_end_is_not_the_end():
    said = json.dumps({"type": "message_stop"})
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "data: " + said}}
    stream = b"data: " + json.dumps(delta).encode() + b"\n\n"
    assert not DIALECT.stream_ended(stream)
    block = {"type": "content_block_start", "content_block": {"type": "x", "input": {"type": "message_stop"}}}
    assert not DIALECT.stream_ended(b"data: " + json.dumps(block).encode() + b"\n\n")
    assert DIALECT.stream_ended(b'data: {"type":"message_stop","metrics":{"a":1}}\n\n')
