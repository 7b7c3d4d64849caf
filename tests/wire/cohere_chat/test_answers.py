"""Answers that are errors or odd: what is read of them."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import Failed, Finished, Started, TextDelta, ToolCallStarted, UsageReported
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted, InvalidRequest, Malformed, Rejected, Throttled, TimedOut, Unavailable
from isthmus.wire.cohere_chat import DIALECT

END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}


def stream(*events):
    reader = DIALECT.reader(False)
    return reader.feed(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)) + reader.close()


def whole(answer):
    reader = DIALECT.reader(True)
    reader.feed(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    return reader.close()


def answer(**fields):
    return {"id": "x", "message": {"role": "assistant"}, "finish_reason": "COMPLETE", **fields}


KIND_OF_STATUS = {
    400: Rejected,
    401: Rejected,
    422: Rejected,
    429: Throttled,
    498: Rejected,
    500: Unavailable,
    503: Unavailable,
    504: TimedOut,
}


@pytest.mark.parametrize(("status", "kind"), KIND_OF_STATUS.items())
def test_errors_are_classed_by_status(status, kind):
    error = DIALECT.read_error(status, b'{"id":"x","message":"it is so"}', 3.0)
    assert (type(error), error.status, error.message, error.retry_after) == (kind, status, "it is so", 3.0)
    for body in (b"<html>", b"[]", b'{"message":5}', b"\xff", b""):
        assert str(status) in DIALECT.read_error(status, body, None).message


def test_errors_are_written_in_both_shapes():
    written = json.loads(DIALECT.write_error(InvalidRequest("no"), "rid"))
    assert (written["id"], written["message"], written["success"]) == ("rid", "no", False)


def test_an_error_where_an_answer_should_be():
    assert [type(event) for event in whole({"message": "no"})] == [Failed]
    assert DIALECT.summarize(b'{"message": "no"}', True).failed
    assert [type(event) for event in stream({"id": "x", "message": "no"})] == [Failed]
    (failed,) = stream({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "no"}})
    assert isinstance(failed, Failed) and failed.error.message == "no"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "stop"),  # without a call
        ("ERROR", "error"),
        ("TIMEOUT", "error"),
        ("ERROR_TOXIC", "content_filter"),
        ("ERROR_LIMIT", "context_length"),
        ("complete", "stop"),
        ("NEW", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons(given, read):
    *_, finished = whole(answer(finish_reason=given))
    assert isinstance(finished, Finished) and finished.reason == read
    assert (finished.detail is not None) == (read in ("error", "content_filter", "context_length"))


def test_calls_without_ids_or_reason():
    call = {"type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    events = whole(answer(message={"tool_calls": [call, call], "tool_plan": "I will."}))
    started = [event for event in events if isinstance(event, ToolCallStarted)]
    assert [event.index for event in started] == [0, 1] and started[0].id != started[1].id
    assert isinstance(events[1], TextDelta) and events[-1] == Finished(reason="tool_calls")


def test_usage():
    billed = {"input_tokens": 3, "output_tokens": 4}
    for given, read in (
        ({"tokens": {"input_tokens": 70, "output_tokens": 5}, "billed_units": billed}, (70, 5, 0)),
        ({"billed_units": billed, "cached_tokens": 9}, (3, 4, 3)),
        ({"tokens": {"input_tokens": -1, "output_tokens": 1e9}}, (0, 10**9, 0)),
        ({}, (0, 0, 0)),
    ):
        _, reported, _ = whole(answer(usage=given))
        usage = Usage(input_tokens=read[0], output_tokens=read[1], cache_read_tokens=read[2])
        assert reported == UsageReported(usage=usage)
        assert DIALECT.summarize(json.dumps(answer(usage=given)).encode(), True).usage == usage


def test_unknown_events_and_what_comes_after_the_end_are_passed_over():
    events = stream({"type": "message-start"}, {"type": "new-thing", "index": 1}, END, {"type": "content-delta"})
    assert [type(event) for event in events] == [Started, Finished] and events[0].id


@pytest.mark.parametrize(
    "events",
    [
        [{"type": 5}],
        [{"type": "content-delta", "delta": {"message": {"content": {"text": 5}}}}],
        [{"type": "tool-call-delta", "index": 3, "delta": {"message": {"tool_calls": {"function": {}}}}}],
    ],
)
def test_events_that_make_no_sense(events):
    with pytest.raises(Malformed):
        stream(*events)


def test_answers_that_are_none():
    for data in (b"<html>", b"[]", b'{"id":"x"}', b'{"message":[]}', b"", b"[" * 100_000):
        with pytest.raises(Malformed):
            whole(data)
    with pytest.raises(Interrupted):
        whole(b'{"message":{"content":[')
    for data in (b"", b": comment\n\n", b'{"id":"x","message":{}}'):
        reader = DIALECT.reader(False)
        reader.feed(data)
        with pytest.raises(Malformed):
            reader.close()


def test_half_an_event_is_an_interruption():
    reader = DIALECT.reader(False)
    reader.feed(b'data: {"type":"message-start"}\n\ndata: {"type":"mess')
    with pytest.raises(Interrupted):
        reader.close()


def test_an_event_without_its_blank_line_is_read():
    reader = DIALECT.reader(False)
    reader.feed(b"data: " + json.dumps(END).encode())
    assert isinstance(reader.close()[-1], Finished)
