"""Whole answers, and the odd corners of streams that no golden case has."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import (
    Cited,
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.part import Citation, Opaque, SearchResult
from isthmus.core.chat.usage import Usage
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
OWN = Opaque(origin="anthropic", data="s")
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
        {"type": "text", "text": "So."},
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ]
    assert whole(MESSAGE | {"content": content, "stop_reason": "tool_use"}) == [
        Started(id="msg_1", model="claude", usage=USAGE),
        ReasoningDelta(text="Hm.", signature=OWN),
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
        ("pause_turn", "pause"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "context_length"),
        ("compaction", "pause"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("a_later_invention", "stop"),
        (None, "stop"),
    ],
)
def test_why_it_stopped(said, reason):
    assert whole(MESSAGE | {"stop_reason": said, "stop_sequence": "x"})[-1] == Finished(
        reason=reason, stop_sequence="x"
    )


SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_result", "url": "https://example.com", "title": "T", "encrypted_content": "e"}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [FOUND]}


def test_a_whole_answer_with_a_search():
    page = {"type": "web_search_result_location", "url": "https://example.com", "title": "T", "cited_text": "q"}
    content = [
        {"type": "redacted_thinking", "data": "s"},
        {"type": "text", "text": "I look. "},
        SEARCH,
        RESULT,
        {"type": "text", "text": "So.", "citations": [page | {"encrypted_index": "s"}]},
        {"type": "container_upload", "file_id": "x"},
        {"type": "a_later_block", "name": 5, "text": []},
    ]
    events = whole(MESSAGE | {"content": content, "stop_details": {"type": "refusal", "category": "bio"}})
    used = events.pop(3).use
    assert json.loads(used.opaque.data) == [SEARCH, RESULT] and used.opaque.origin == "anthropic"
    assert used.results == (
        SearchResult(url="https://example.com", title="T", opaque=Opaque(origin="anthropic", data="e")),
    )
    assert events[1:] == [
        ReasoningDelta(signature=OWN, redacted=True),
        TextDelta(text="I look. "),
        TextDelta(text="So."),
        Cited(citation=Citation(url="https://example.com", title="T", quote="q", start=8, end=11, opaque=OWN)),
        UsageReported(usage=USAGE),
        Finished(reason="stop", detail="bio"),
    ]


@pytest.mark.parametrize(
    "content", [[SEARCH], [RESULT], [RESULT | {"tool_use_id": 5}], [SEARCH | {"input": 5}], [SEARCH | {"id": None}]]
)
def test_halves_of_a_search_are_kept(content):
    used = whole(MESSAGE | {"content": content})[1].use
    assert json.loads(used.opaque.data) == content and used.tool == "web_search"


def test_nonsense_in_citations_and_results_is_passed_over():
    citations = [5, {}, {"type": "char_location", "document_index": "x"}, {"type": "web_search_result_location"}]
    content = [
        {"type": "text", "text": "So.", "citations": citations},
        {"type": "text", "text": "So.", "citations": 5},
        RESULT | {"content": [5, {}, {"url": 5}]},
        RESULT | {"content": 5, "id": {}},
        RESULT | {"content": {"error_code": []}},
    ]
    assert [type(event) for event in whole(MESSAGE | {"content": content})[1:-2]] == [
        TextDelta, TextDelta, HostedToolUsed, HostedToolUsed, HostedToolUsed,
    ]  # fmt: skip


@pytest.mark.parametrize("block", [{"type": "text", "text": 5}, {"type": "tool_use", "id": 5}])
def test_a_known_block_of_another_form_is_malformed(block):
    with pytest.raises(Malformed):
        whole(MESSAGE | {"content": [block]})
    with pytest.raises(Malformed):
        streamed(START, {"type": "content_block_start", "index": 0, "content_block": block})


def test_usage_of_every_class():
    usage = {
        "input_tokens": 5,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 4,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 2},
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 2},
        "service_tier": "batch",
    }
    assert whole(MESSAGE | {"usage": usage})[0].usage == Usage(
        input_tokens=12,
        output_tokens=7,
        cache_read_tokens=3,
        cache_write_tokens=4,
        cache_write_1h_tokens=3,
        reasoning_tokens=2,
        web_searches=1,
        service_tier="batch",
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
    assert events[1:3] == [TextDelta(text="Hi"), ReasoningDelta(text="Hm", signature=OWN)]
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
