"""Whole answers, and the odd corners of streams that no golden case has."""

from __future__ import annotations

import json

import msgspec
import pytest

from isthmus.core.chat.event import (
    Cited,
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.part import Citation, HostedToolUse, Opaque
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted, Malformed, Throttled
from isthmus.wire.framing import whole as framing_whole
from isthmus.wire.openai_responses import DIALECT

RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 5.0,
    "status": "completed",
    "model": "gpt",
    "error": None,
    "output": [],
    "usage": {
        "input_tokens": 8,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    },
}
USAGE = Usage(input_tokens=8, output_tokens=7, cache_read_tokens=3, reasoning_tokens=2)
STARTED = Started(id="resp_1", model="gpt", created=5)


def signed(content, item_id):
    return Opaque(
        origin="openai", data=json.dumps({"encrypted_content": content, "id": item_id}, separators=(",", ":"))
    )


def whole(data):
    read = DIALECT.reader(whole=True)
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    events = [event for at in range(0, len(raw), 9) for event in read.feed(raw[at : at + 9])]
    assert events == []
    return read.close()


def sse(*events):
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def streamed(*events, raw=b""):
    read = DIALECT.reader(whole=False)
    found = read.feed(sse(*events) + raw)
    return found + read.close()


def test_a_whole_answer():
    output = [
        {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": None},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "A"},
                                                     {"type": "summary_text", "text": "B"}], "encrypted_content": "e"},
        {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "C"}]},
        {"type": "web_search_call", "id": "ws", "action": {"type": "search"}},
        {"type": "message", "content": [{"type": "output_text", "text": "So."}, {"type": "output_text", "text": ""},
                                        {"type": "refusal", "refusal": "No."}, {"type": "later", "text": "x"}]},
        {"type": "function_call", "id": "fc", "call_id": "a", "name": "f", "arguments": "{\"x\":1}"},
        {"type": "function_call", "id": "fc_b", "name": "g", "arguments": ""},
    ]  # fmt: skip
    raw = '{"type": "web_search_call", "id": "ws", "action": {"type": "search"}}'
    searched = HostedToolUse(id="ws", tool="web_search", input='{"type":"search"}',
                             opaque=Opaque(origin="openai", data=raw))  # fmt: skip
    assert whole(RESPONSE | {"output": output}) == [
        STARTED,
        ReasoningDelta(text="A\n\nB", signature=signed("e", "rs")),
        ReasoningDelta(text="C"),
        HostedToolUsed(use=searched),
        TextDelta(text="So."),
        RefusalDelta(text="No."),
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments='{"x":1}'),
        ToolCallStarted(index=1, id="fc_b", name="g"),
        ToolCallDelta(index=1, arguments="{}"),
        UsageReported(usage=msgspec.structs.replace(USAGE, web_searches=1)),
        Finished(reason="tool_calls"),
    ]


def test_sources_logprobs_and_other_calls_in_a_whole_answer():
    logprobs = [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -2}]}]
    page = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 1}
    output = [
        {"type": "message", "content": [
            {"type": "output_text", "text": "One", "annotations": [5, {}], "logprobs": logprobs},
            {"type": "output_text", "text": "a", "annotations": [page, {"type": "x", "url_citation": page}]}]},
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "free"},
        {"type": "custom_tool_call", "call_id": "d", "name": "f", "input": ""},
        {"type": "function_call", "call_id": "e", "name": "f", "namespace": "n", "arguments": {"x": 1}},
        {"type": 5},
        "x",
    ]  # fmt: skip
    cited = Cited(citation=Citation(url="https://a.example", title="A", start=3, end=4))
    assert whole(RESPONSE | {"output": output, "service_tier": "flex"})[1:] == [
        TextDelta(text="One", logprobs=(TokenLogprob(token="a", logprob=-1.0, top=(("b", -2.0),)),)),
        TextDelta(text="a"),
        cited,
        cited,
        ToolCallStarted(index=0, id="c", name="f", custom=True),
        ToolCallDelta(index=0, arguments="free"),
        ToolCallStarted(index=1, id="d", name="f", custom=True),
        ToolCallStarted(index=2, id="e", name="n-_-f"),
        ToolCallDelta(index=2, arguments='{"x":1}'),
        UsageReported(usage=msgspec.structs.replace(USAGE, service_tier="flex")),
        Finished(reason="tool_calls"),
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "stop"),
        ({"status": None}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": None}, "length"),
    ],
)
def test_why_it_stopped(fields, reason):
    assert whole(RESPONSE | fields)[-1] == Finished(reason=reason)


def test_a_reason_that_is_not_known_is_told_as_it_is():
    fields = {"status": "incomplete", "incomplete_details": {"reason": "steered"}}
    assert whole(RESPONSE | fields)[-1] == Finished(reason="length", detail="steered")


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow down."}},
        {"status": None, "output": None, "error": {"code": "rate_limit_exceeded", "message": "Slow down."}},
    ],
)
def test_a_failed_response(fields):
    (failed,) = whole(RESPONSE | fields)
    assert isinstance(failed, Failed) and isinstance(failed.error, Throttled) and failed.error.message == "Slow down."


def test_a_cancelled_response():
    assert isinstance(whole(RESPONSE | {"status": "cancelled"})[-1].error, Interrupted)


@pytest.mark.parametrize("data", [b'{"id":"resp_1","out', b'{"output":['])
def test_a_whole_answer_cut_short(data):
    with pytest.raises(Interrupted):
        whole(data)


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"[]", b"{}", b'{"output":5}', b'"\xff"', {"output": [], "status": "in_progress"}]
)
def test_what_is_no_response(data):
    with pytest.raises(Malformed):
        whole(data)


def test_a_whole_answer_without_an_end_is_bounded(monkeypatch):
    monkeypatch.setattr(framing_whole, "ANSWER_MAX_BYTES", 10)
    read = DIALECT.reader(whole=True)
    read.feed(b"x" * 10)
    with pytest.raises(Malformed):
        read.feed(b"x")


CREATED = {"type": "response.created", "response": RESPONSE | {"usage": None, "status": "in_progress"}}
COMPLETED = {"type": "response.completed", "response": RESPONSE}
ENDING = [UsageReported(usage=USAGE), Finished(reason="stop")]


def test_a_stream_with_the_least_in_it():
    assert streamed(COMPLETED, raw=b"data: nonsense\n\n") == [STARTED, *ENDING]
    assert streamed({"type": "response.completed"}) == [Finished(reason="stop")]
    started = streamed({"type": "response.in_progress", "response": {}}, COMPLETED)[0]
    assert started.id.startswith("resp_") and started.model == "" and started.created is None


def test_what_is_not_ours_is_passed_over():
    item = {"type": "response.output_item.added", "output_index": 0}
    events = streamed(
        CREATED,
        item,
        item | {"item": {"type": "web_search_call"}},
        {"type": "response.output_item.done", "output_index": 0},
        {"type": "response.output_item.done", "output_index": 1, "item": {"type": "reasoning", "summary": []}},
        {"type": "response.function_call_arguments.delta", "output_index": 7, "delta": "{}"},
        {"type": "response.reasoning_text.delta", "delta": ""},
        {"type": "response.output_text.delta", "delta": ""},
        {"type": "response.code_interpreter_call_code.delta", "delta": "x = 1"},
        {"type": "response.output_text.annotation.added", "annotation": {}, "item": "x"},
        COMPLETED,
    )
    assert events == [STARTED, *ENDING]


def test_items_that_do_not_fit_are_named():
    done = {"type": "response.output_item.done", "output_index": 0, "item": {"type": "function_call", "name": 5}}
    with pytest.raises(Malformed):
        streamed(CREATED, done)
    with pytest.raises(Malformed):
        whole(RESPONSE | {"output": [{"type": "message", "content": 5}]})


def test_custom_calls_that_come_at_once():
    call = {"type": "custom_tool_call", "id": "ctc", "call_id": "a", "name": "f", "input": "free"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": call}
    assert streamed(CREATED, done, COMPLETED)[1:3] == [
        ToolCallStarted(index=0, id="a", name="f", custom=True),
        ToolCallDelta(index=0, arguments="free"),
    ]


def test_thinking_that_is_not_shown():
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    expected = ReasoningDelta(signature=signed("e", "rs"), redacted=True)
    assert streamed(CREATED, done, COMPLETED)[1] == expected
    assert whole(RESPONSE | {"output": [item]})[1] == expected


def test_named_events_that_are_not_ours_are_not_even_decoded():
    raw = b"event: response.later\ndata: nonsense\n\ndata: [DONE]\n\n"
    read = DIALECT.reader(whole=False)
    assert read.feed(raw + sse(COMPLETED)) == [STARTED, *ENDING]


def test_thinking_in_the_open_and_the_same_item_under_another_id():
    delta = {"type": "response.reasoning_text.delta", "output_index": 0}
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": ""}
    arguments = {"type": "response.function_call_arguments.delta", "output_index": 1}
    events = streamed(
        CREATED,
        delta | {"item_id": "x", "delta": "H"},
        delta | {"item_id": "y", "delta": "m"},
        {"type": "response.output_item.done", "output_index": 0,
         "item": {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]}},
        {"type": "response.output_item.added", "output_index": 1, "item": call | {"id": "p"}},
        arguments | {"item_id": "q", "delta": "{}"},
        {"type": "response.function_call_arguments.done", "output_index": 1, "arguments": "{}"},
        {"type": "response.output_item.done", "output_index": 1, "item": call | {"arguments": "{}"}},
        COMPLETED,
    )  # fmt: skip
    assert events[1:-2] == [
        ReasoningDelta(text="H"),
        ReasoningDelta(text="m"),
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments="{}"),
    ]
    assert events[-1] == Finished(reason="tool_calls")


def test_refusals_that_come_at_once():
    done = {"type": "response.refusal.done", "output_index": 0, "refusal": "No."}
    assert streamed(CREATED, done, COMPLETED)[1] == RefusalDelta(text="No.")


@pytest.mark.parametrize(
    "raw",
    [
        b"data: {\n\n",
        b"data: [1]\n\n",
        b'data: {"type": 5}\n\n',
        b'data: {"type":"response.output_text.delta","delta":5}\n\n',
        b'event: response.completed\ndata: {"type":"response.completed","response":[]}\n\n',
    ],
)
def test_nonsense_in_a_stream(raw):
    with pytest.raises(Malformed):
        streamed(CREATED, raw=raw)


@pytest.mark.parametrize(
    ("event", "status", "message"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "Slow.", "param": None}, 429, "Slow."),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "No."}}, 400, "No."),
        ({"type": "error"}, 502, "The provider reported an error."),
        ({"type": "response.failed", "response": {"error": None}}, 502, "The provider reported an error."),
        ({"type": "response.failed", "response": {"error": {"code": "server_error", "message": "Oh."}}}, 500, "Oh."),
        ({"type": "response.failed", "response": {"error": {"code": "invalid_image", "message": "Oh."}}}, 400, "Oh."),
        ({"type": "response.failed", "response": {"error": {"code": ["x"], "message": "Oh."}}}, 502, "Oh."),
        ({"type": "response.cancelled"}, 502, "The provider cancelled the response."),
    ],
)
def test_failures_inside_a_stream(event, status, message):
    failed = streamed(CREATED, event)[-1]
    assert isinstance(failed, Failed) and (failed.error.status, failed.error.message) == (status, message)


def test_summaries_of_whole_answers():
    call = {"type": "function_call", "arguments": "{}"}
    summary = DIALECT.summarize(json.dumps(RESPONSE | {"output": [call]}).encode(), whole=True)
    assert (summary.model, summary.usage, summary.finish_reason, summary.failed) == ("gpt", USAGE, "tool_calls", False)
    assert DIALECT.summarize(b'{"status":"failed","error":{"code":"x"}}', whole=True).failed
    assert DIALECT.summarize(b'{"error":{"message":"x"}}', whole=True).failed
    for nonsense in (b"", b"<html>", b"[]", b"\xff", b'{"usage":5}', b'\ndata: {"response.completed'):
        assert DIALECT.summarize(nonsense, whole=True).usage is None
        assert DIALECT.summarize(nonsense, whole=False).usage is None


def test_the_summary_of_a_stream_that_the_caller_left():
    delta = {"type": "response.output_text.delta", "delta": 'data: "response.completed"'}
    summary = DIALECT.summarize(sse(CREATED, *[delta] * 9), whole=False)
    assert (summary.model, summary.usage, summary.finish_reason, summary.failed) == ("gpt", None, None, False)


def test_the_summary_of_a_stream_that_failed():
    assert DIALECT.summarize(sse(CREATED, {"type": "error", "message": "Oh."}), whole=False).failed


def test_text_that_speaks_of_the_end_is_not_the_end():
    said = {"type": "response.output_text.delta", "delta": 'data: {"type":"response.completed"}\n\n "total_tokens"'}
    assert not DIALECT.stream_ended(sse(CREATED, said))
    in_a_tool = {"type": "response.output_item.added", "item": {"type": "response.completed"}}
    assert not DIALECT.stream_ended(sse(in_a_tool))
    assert not DIALECT.stream_ended(b'data: {"response.completed')
    assert not DIALECT.stream_ended(b'data: {"response.completed\n\n')
    assert not DIALECT.stream_ended(sse(COMPLETED)[:-1])


def test_the_start_of_a_stream_that_tells_usage_is_not_its_end():
    assert not DIALECT.stream_ended(sse({"type": "response.created", "response": RESPONSE}))
