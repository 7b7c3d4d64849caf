"""Events to answers in Converse: every event and every reason has its place, or is passed over."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from isthmus.core.chat.event import (
    Cited,
    Failed,
    Finished,
    FinishReason,
    HostedToolUsed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.part import Citation, HostedToolUse, Opaque
from isthmus.core.chat.request import Chat
from isthmus.core.chat.usage import Usage
from isthmus.errors import Malformed, Throttled
from isthmus.wire.bedrock_converse import DIALECT

CHAT = Chat(model="m", messages=())
STARTED = Started(id="x", model="m", usage=Usage(input_tokens=3))
USAGE = Usage(
    input_tokens=100,
    output_tokens=7,
    cache_read_tokens=60,
    cache_write_tokens=30,
    cache_write_1h_tokens=10,
    service_tier="flex",
)
EVERYTHING = [
    STARTED,
    ReasoningDelta(text="h"),
    ReasoningDelta(text="m"),
    ReasoningDelta(signature=Opaque(origin="anthropic", data="c2ln")),
    ReasoningDelta(redacted=True, signature=Opaque(origin="anthropic", data="c2VjcmV0")),
    ReasoningDelta(redacted=True, signature=Opaque(origin="openai", data="gAAA")),
    ReasoningDelta(text="unsigned"),
    HostedToolUsed(use=HostedToolUse(id="w", tool="web_search")),
    TextDelta(text="Grass "),
    TextDelta(text="is green"),
    Cited(citation=Citation(title="A", quote="q", document=0, location="page", first=1, last=2)),
    Cited(citation=Citation(title="nowhere")),
    Cited(citation=Citation(url="https://a.example", document=1, location="block", first=0, last=1)),
    RefusalDelta(text="No more."),
    ToolCallStarted(index=0, id="t1", name="f", signature=Opaque(origin="google", data="s")),
    ToolCallDelta(index=0, arguments='{"a"'),
    ToolCallStarted(index=1, id="t2", name="g", custom=True),
    ToolCallDelta(index=1, arguments="free "),
    ToolCallDelta(index=0, arguments=": 1}"),
    ToolCallDelta(index=1, arguments="text"),
    ToolCallStarted(index=2, id="t3", name="h"),
    ToolCallDelta(index=2, arguments="no JSON"),
    Finished(reason="stop"),
    UsageReported(usage=USAGE),
]
CITATIONS = [
    {
        "title": "A",
        "sourceContent": [{"text": "q"}],
        "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}},
    },
    {
        "source": "https://a.example",
        "location": {"searchResultLocation": {"searchResultIndex": 1, "start": 0, "end": 1}},
    },
]


def written(events, whole):
    writer = DIALECT.writer(whole, CHAT)
    return b"".join([*(writer.write(event) for event in events), writer.close()])


def test_everything_in_a_whole_answer(validate):
    answer = json.loads(written(EVERYTHING, True))
    validate("ConverseResponse", answer)
    assert answer["output"]["message"]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
        {"reasoningContent": {"reasoningText": {"text": "", "signature": "isthmus-sealed_openai_Z0FBQQ"}}},
        {"reasoningContent": {"reasoningText": {"text": "unsigned"}}},
        {"citationsContent": {"content": [{"text": "Grass is green"}], "citations": CITATIONS}},
        {"text": "No more."},
        {"toolUse": {"toolUseId": "t1__isthmus-sealed_google_cw", "name": "f", "input": {"a": 1}}},
        {"toolUse": {"toolUseId": "t2", "name": "g", "input": {"input": "free text"}}},
        {"toolUse": {"toolUseId": "t3", "name": "h", "input": {"unparsed_arguments": "no JSON"}}},
    ]
    assert answer["stopReason"] == "tool_use" and answer["serviceTier"] == {"type": "flex"}
    assert answer["usage"] == {
        "inputTokens": 10,
        "outputTokens": 7,
        "totalTokens": 107,
        "cacheReadInputTokens": 60,
        "cacheWriteInputTokens": 30,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 10}, {"ttl": "5m", "inputTokens": 20}],
    }


def test_everything_in_a_stream(events_of):
    events = events_of(written(EVERYTHING, False))
    assert events[0] == ("messageStart", {"role": "assistant"})
    assert [name for name, _ in events[-2:]] == ["messageStop", "metadata"]
    assert events[-2][1] == {"stopReason": "tool_use"}
    opened: dict[int, list] = {}
    stopped = []
    for name, data in events[1:-2]:
        index = data["contentBlockIndex"]
        assert index not in stopped
        if name == "contentBlockStop":
            stopped.append(index)
        else:
            opened.setdefault(index, []).append(data.get("start") or data["delta"])
    assert sorted(stopped) == list(opened) == list(range(9))
    assert opened[0] == [
        {"reasoningContent": {"text": "h"}},
        {"reasoningContent": {"text": "m"}},
        {"reasoningContent": {"signature": "c2ln"}},
    ]
    assert opened[1] == [{"reasoningContent": {"redactedContent": "c2VjcmV0"}}]
    assert opened[2] == [{"reasoningContent": {"signature": "isthmus-sealed_openai_Z0FBQQ"}}]
    assert opened[4] == [{"text": "Grass "}, {"text": "is green"}, *({"citation": one} for one in CITATIONS)]
    assert opened[6] == [
        {"toolUse": {"toolUseId": "t1__isthmus-sealed_google_cw", "name": "f"}},
        {"toolUse": {"input": '{"a"'}},
        {"toolUse": {"input": ": 1}"}},
    ]
    assert opened[7][1:] == [{"toolUse": {"input": '{"input":"free text"}'}}]


def test_a_call_ends_before_the_next_begins(events_of):
    calls = [
        STARTED,
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments="{}"),
        ToolCallStarted(index=1, id="b", name="f"),
        ToolCallDelta(index=1, arguments="{}"),
        TextDelta(text="x"),
        Finished(reason="tool_calls"),
    ]
    names = [(name, data["contentBlockIndex"]) for name, data in events_of(written(calls, False))[1:-2]]
    assert [index for _, index in names] == sorted(index for _, index in names)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("reason", get_args(FinishReason))
def test_every_reason(reason, whole, events_of, validate):
    data = written([STARTED, TextDelta(text="x"), Finished(reason=reason)], whole)
    if whole:
        answer = json.loads(data)
        validate("ConverseResponse", answer)
        assert answer["usage"]["inputTokens"] == 3
    else:
        events_of(data)
    reader = DIALECT.reader(whole)
    read = [*reader.feed(data), *reader.close()]
    (found,) = [event.reason for event in read if isinstance(event, Finished)]
    assert found == {"refusal": "content_filter", "pause": "stop"}.get(reason, reason)


@pytest.mark.parametrize("whole", [True, False])
def test_the_sequence_that_was_met(whole):
    data = written([STARTED, TextDelta(text="x"), Finished(reason="stop", stop_sequence="END")], whole)
    reader = DIALECT.reader(whole)
    assert Finished(reason="stop", stop_sequence="END") in [*reader.feed(data), *reader.close()]


def test_a_failure(events_of):
    error = Throttled("Slow down.", kind="rate_limit_error")
    events = events_of(written([STARTED, TextDelta(text="x"), Failed(error=error)], False))
    assert events[-1][0] == "throttlingException" and events[-1][1]["message"] == "Slow down."
    with pytest.raises(Throttled):
        DIALECT.writer(True, CHAT).write(Failed(error=error))


@pytest.mark.parametrize("whole", [True, False])
def test_nothing_started_is_nothing_said(whole):
    assert written([], whole) == b""
    with pytest.raises(Malformed):
        written([STARTED, ToolCallDelta(index=0, arguments="{}")], whole)
