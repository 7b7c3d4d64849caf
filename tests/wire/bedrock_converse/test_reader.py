"""Answers of Bedrock's: whole ones, odd ones, and what is no answer."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import Cited, Failed, Finished, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStarted
from isthmus.core.chat.part import Citation, Opaque
from isthmus.errors import Interrupted, Malformed, Throttled
from isthmus.wire.bedrock_converse import DIALECT
from isthmus.wire.framing.eventstream import encode

USAGE = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}


def whole(*content, **changes):
    answer = {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": "end_turn",
        "usage": USAGE,
        "metrics": {"latencyMs": 1},
        **changes,
    }
    return read(json.dumps(answer).encode())


def read(data):
    reader = DIALECT.reader(whole=True)
    for at in range(0, len(data), 7):
        assert reader.feed(data[at : at + 7]) == []
    return reader.close()


def test_a_whole_answer(plain):
    events = whole(
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
        {"reasoningContent": {"reasoningText": {"text": "unsigned", "signature": ""}}},
        {"text": "Grass is "},
        {
            "citationsContent": {
                "content": [{"text": "gre"}, {"text": "en"}],
                "citations": [
                    {"source": "s", "location": {"searchResultLocation": {"searchResultIndex": 2, "start": 1}}}
                ],
            }
        },
        {"image": {"format": "png", "source": {"bytes": "AA=="}}},
        {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": [1, " "]}}},
        {"toolUse": {"toolUseId": "", "name": "g", "input": {}}},
        {"toolUse": {"toolUseId": "s", "name": "nova_code_interpreter", "input": {"x": 1}, "type": "server_tool_use"}},
        {"somethingNew": 7},
        stopReason="tool_use",
        usage={**USAGE, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 20},
        serviceTier={"type": "priority"},
    )
    made_up = events[10]
    assert isinstance(made_up, ToolCallStarted) and made_up.id.startswith("tooluse_")
    assert events[1:10] == [
        ReasoningDelta(text="hm", signature=Opaque(origin="anthropic", data="c2ln")),
        ReasoningDelta(redacted=True, signature=Opaque(origin="anthropic", data="c2VjcmV0")),
        ReasoningDelta(text="unsigned"),
        TextDelta(text="Grass is "),
        TextDelta(text="gre"),
        TextDelta(text="en"),
        Cited(citation=Citation(url="s", start=9, end=14, document=2, location="block", first=1)),
        ToolCallStarted(index=0, id="t1", name="f"),
        ToolCallDelta(index=0, arguments='{"a":[1," "]}'),
    ]
    assert events[11] == ToolCallDelta(index=1, arguments="{}")
    told = plain(events)
    assert told[-3] == {
        "type": "HostedToolUsed",
        "use": {"id": "s", "tool": "nova_code_interpreter", "input": '{"x":1}'},
    }
    assert told[-2]["usage"] == {
        "input_tokens": 33,
        "output_tokens": 4,
        "cache_read_tokens": 10,
        "cache_write_tokens": 20,
        "service_tier": "priority",
    }
    assert events[-1] == Finished(reason="tool_calls")


@pytest.mark.parametrize(
    ("said", "reason", "detail"),
    [
        ("end_turn", "stop", None),
        ("tool_use", "tool_calls", None),
        ("max_tokens", "length", None),
        ("stop_sequence", "stop", None),
        ("guardrail_intervened", "content_filter", "guardrail_intervened"),
        ("content_filtered", "content_filter", "content_filtered"),
        ("malformed_model_output", "error", "malformed_model_output"),
        ("malformed_tool_use", "malformed_tool_call", "malformed_tool_use"),
        ("model_context_window_exceeded", "context_length", None),
        ("refusal", "refusal", "refusal"),
        ("something_new", "stop", "something_new"),
        (None, "stop", None),
    ],
)
def test_every_stop_reason(said, reason, detail):
    assert whole({"text": "x"}, stopReason=said)[-1] == Finished(reason=reason, detail=detail)
    fields = {"stop_sequence": ["no text"]}
    assert whole({"text": "x"}, stopReason=said, additionalModelResponseFields=fields)[-1].stop_sequence is None


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"[]", b"{}", b'{"output":{}}', b'{"output":{"message":{"content":7}}}']
)
def test_what_is_no_answer(data):
    with pytest.raises(Malformed):
        read(data)


@pytest.mark.parametrize(
    "content", [{"text": 7}, {"toolUse": {"name": "f"}}, {"reasoningContent": {"reasoningText": "x"}}]
)
def test_blocks_that_are_none(content):
    with pytest.raises(Malformed):
        whole(content)


def test_a_whole_answer_cut_short():
    with pytest.raises(Interrupted):
        read(b'{"output":{"message":{"content":[{"text":"a')


def test_an_error_with_status_200():
    (event,) = read(b'{"__type":"com.amazon.coral#ThrottlingException:http://a.example","message":"Slow down."}')
    assert isinstance(event, Failed) and isinstance(event.error, Throttled) and event.error.message == "Slow down."


def event(name, payload, kind="event"):
    return encode({f":{kind}-type": name, ":message-type": kind}, payload)


def test_an_error_message_of_the_stream():
    reader = DIALECT.reader(whole=False)
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "Oh \u2603"}
    (failed,) = reader.feed(encode(headers, b""))
    assert failed.error.message == "Oh \u2603" and failed.error.status == 502 and reader.ended
    assert reader.close() == []


@pytest.mark.parametrize(
    "data",
    [
        event("messageStart", b"no JSON"),
        event("contentBlockDelta", b'{"delta":{"text":7}}'),
        event("metadata", b'{"usage":"many"}'),
        event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{"}}}'),
        event("contentBlockStart", b'{"start":{"toolUse":{"toolUseId":"a","name":"f"}}}') * 2,
        event("metadata", b'{"usage":{"inputTokens":1e999}}'),
        b"<html><body>502 Bad Gateway</body></html>",
    ],
)
def test_streams_of_nonsense(data):
    with pytest.raises(Malformed):
        DIALECT.reader(whole=False).feed(data)


def test_unknown_events_say_nothing():
    reader = DIALECT.reader(whole=False)
    assert reader.feed(event("initial-response", b"{}") + event("new", b"no JSON") + encode({}, b"")) == []
    begun = reader.feed(event("contentBlockDelta", b'{"delta":{"new":1}}') + event("contentBlockStop", b"{}"))
    assert len(begun) == 1  # it has started


def test_a_stream_without_its_stop_still_finishes():
    reader = DIALECT.reader(whole=False)
    begun = b'{"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"a","name":"f"}}}'
    events = reader.feed(event("contentBlockStart", begun) + event("metadata", json.dumps({"usage": USAGE}).encode()))
    assert [type(one).__name__ for one in events] == [
        "Started",
        "ToolCallStarted",
        "ToolCallDelta",
        "Finished",
        "UsageReported",
    ]
    assert reader.ended and reader.close() == []
