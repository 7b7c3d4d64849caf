"""Answers written for Anthropic's callers, streamed and whole: checked event by event against Anthropic's schemas."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import (
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import Chat, Opaque
from isthmus.core.chat.usage import Usage
from isthmus.errors import Malformed, Throttled
from isthmus.wire.anthropic_messages import DIALECT
from isthmus.wire.anthropic_messages.parts.signatures import NOTHING

CHAT = Chat(model="m", messages=(), summary="auto")
STARTED = Started(id="chatcmpl-1", model="gpt", created=5)
USAGE = Usage(input_tokens=100, output_tokens=20, cache_read_tokens=60, cache_write_tokens=30, reasoning_tokens=5)
STOP = Finished(reason="stop")


def shape(events):
    """What happens, in few words."""
    told = []
    for event in events:
        kind = event["type"]
        if kind == "content_block_start":
            told.append(f"+{event['index']} {event['content_block']['type']}")
        elif kind == "content_block_delta":
            delta = event["delta"]
            text = next(value for name, value in delta.items() if name != "type")
            told.append(f"{event['index']} {text}")
        elif kind == "content_block_stop":
            told.append(f"-{event['index']}")
        else:
            told.append(kind)
    return told


def test_a_text(stream):
    events = stream(STARTED, TextDelta(text="Hel"), TextDelta(text='lo "\u2028'), STOP, UsageReported(usage=USAGE))
    assert shape(events) == [
        "message_start", "+0 text", "0 Hel", '0 lo "\u2028', "-0", "message_delta", "message_stop",
    ]  # fmt: skip
    assert events[0]["message"]["id"] == "msg_chatcmpl-1" and events[0]["message"]["model"] == "gpt"
    assert events[0]["message"]["usage"]["input_tokens"] == events[0]["message"]["usage"]["output_tokens"] == 0
    assert events[-2]["delta"]["stop_reason"] == "end_turn" and events[-2]["delta"]["stop_sequence"] is None
    assert events[-2]["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 5},
        "server_tool_use": None,
    }


def test_usage_known_at_the_start_is_told_there(stream):
    events = stream(Started(id="msg_7", model="m", usage=USAGE), STOP)
    assert events[0]["message"]["id"] == "msg_7"
    usage = events[0]["message"]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (10, 60, 0)
    assert events[-2]["usage"]["output_tokens"] == 20


def test_an_id_is_made_where_there_is_none(stream):
    first, second = (stream(Started(id="", model="m"), STOP)[0]["message"]["id"] for _ in range(2))
    assert first.startswith("msg_") and len(first) > 12 and first != second


def test_thinking_text_and_calls(stream):
    events = stream(
        STARTED,
        ReasoningDelta(text="Hm"),
        ReasoningDelta(text="."),
        ReasoningDelta(signature=Opaque(origin="anthropic", data="s")),
        ReasoningDelta(text="More"),
        TextDelta(text="So"),
        ToolCallStarted(index=0, id="a:1", name="f"),
        ToolCallDelta(index=0, arguments='{"x":'),
        ToolCallDelta(index=0, arguments="1}"),
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments="{}"),
        Finished(reason="tool_calls"),
    )
    assert shape(events) == [
        "message_start",
        "+0 thinking", "0 Hm", "0 .", "0 s", "-0",
        "+1 thinking", "1 More", f"1 {NOTHING}", "-1",
        "+2 text", "2 So", "-2",
        "+3 tool_use", '3 {"x":', "3 1}", "-3",
        "+4 tool_use", "4 {}", "-4",
        "message_delta", "message_stop",
    ]  # fmt: skip
    block = next(event["content_block"] for event in events if event.get("index") == 3)
    assert (block["id"], block["name"], block["input"]) == ("a_3a1", "f", {})
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_calls_that_a_provider_mixes_stand_open_beside_each_other(stream):
    events = stream(
        STARTED,
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments='{"x":'),
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments="{"),
        ToolCallDelta(index=0, arguments="1}"),
        ToolCallDelta(index=1, arguments="}"),
        TextDelta(text="Ok"),
        STOP,
    )
    assert shape(events)[1:-2] == [
        "+0 tool_use", '0 {"x":', "+1 tool_use", "1 {", "0 1}", "1 }", "-0", "-1", "+2 text", "2 Ok", "-2",
    ]  # fmt: skip


def test_text_after_a_call_is_a_new_block(stream):
    call = (ToolCallStarted(index=0, id="a", name="f"), ToolCallDelta(index=0, arguments="{}"))
    events = stream(STARTED, TextDelta(text="A"), *call, TextDelta(text="B"), RefusalDelta(text="C"), STOP)
    assert shape(events)[1:-2] == ["+0 text", "0 A", "-0", "+1 tool_use", "1 {}", "-1", "+2 text", "2 B", "2 C", "-2"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


LATE = ReasoningDelta(signature=Opaque(origin="anthropic", data="s"))


def test_an_answer_does_not_end_in_a_signature_alone(stream, whole):
    """Claude Code takes the last block for what was said."""
    said = (STARTED, TextDelta(text="So"), LATE, STOP)
    assert shape(stream(*said))[1:-2] == ["+0 text", "0 So", "-0"]
    assert [block["type"] for block in whole(*said)["content"]] == ["text"]
    assert shape(stream(STARTED, LATE, STOP))[1:-2] == ["+0 thinking", "0 s", "-0"]
    assert whole(STARTED, LATE, STOP)["content"] == [{"type": "thinking", "thinking": "", "signature": "s"}]


@pytest.mark.parametrize(
    ("then", "block"),
    [
        ((TextDelta(text="!"),), ["+2 text", "2 !", "-2"]),
        ((ToolCallStarted(index=0, id="a", name="f"), ToolCallDelta(index=0, arguments="{}")),
         ["+2 tool_use", "2 {}", "-2"]),
        ((ReasoningDelta(text="Hm"),), ["+2 thinking", "2 Hm", f"2 {NOTHING}", "-2"]),
    ],
)  # fmt: skip
def test_a_late_signature_stands_before_what_follows(stream, whole, then, block):
    said = (STARTED, TextDelta(text="So"), LATE, *then, STOP)
    assert shape(stream(*said))[1:-2] == ["+0 text", "0 So", "-0", "+1 thinking", "1 s", "-1", *block]
    assert [each["type"] for each in whole(*said)["content"]] == ["text", "thinking", block[0].partition(" ")[2]]


@pytest.mark.parametrize("whole_answer", [True, False])
def test_arguments_of_no_call_are_refused(whole_answer):
    writer = DIALECT.writer(whole_answer, CHAT)
    writer.write(STARTED)
    with pytest.raises(Malformed):
        writer.write(ToolCallDelta(index=0, arguments="{}"))


@pytest.mark.parametrize(
    ("finished", "reason", "sequence"),
    [
        (STOP, "end_turn", None),
        (Finished(reason="stop", stop_sequence="END"), "stop_sequence", "END"),
        (Finished(reason="length"), "max_tokens", None),
        (Finished(reason="tool_calls"), "tool_use", None),
        (Finished(reason="content_filter"), "refusal", None),
        (Finished(reason="refusal"), "refusal", None),
        (Finished(reason="pause"), "pause_turn", None),
        (Finished(reason="malformed_tool_call"), "end_turn", None),
        (Finished(reason="error", detail="It broke."), "refusal", None),
    ],
)
def test_why_it_stopped(stream, whole, finished, reason, sequence):
    delta = stream(STARTED, TextDelta(text="x"), finished)[-2]["delta"]
    message = whole(STARTED, TextDelta(text="x"), finished)
    for told in (delta, message):
        assert (told["stop_reason"], told["stop_sequence"]) == (reason, sequence)
        details = {"type": "refusal", "category": None, "explanation": finished.detail}
        assert told["stop_details"] == (details if reason == "refusal" else None)


def test_a_full_context_window_is_a_reason_of_the_newest_specification(frames, validate):
    """The GA schema of May 2026 lacks the word; the beta has it, and so has the SDK of today for both."""
    for whole_answer in (True, False):
        writer = DIALECT.writer(whole_answer, CHAT)
        data = b"".join(writer.write(event) for event in (STARTED, Finished(reason="context_length"))) + writer.close()
        message = json.loads(data) if whole_answer else frames(data)[-2][1]["delta"]
        validate("BetaStopReason", message["stop_reason"])
        assert message["stop_reason"] == "model_context_window_exceeded"


def test_a_failure_inside_a_stream_is_the_last_word(stream):
    error = Throttled("Slow down.", retry_after=3.0)
    events = stream(STARTED, TextDelta(text="He"), Failed(error=error))
    assert [event["type"] for event in events[-2:]] == ["content_block_delta", "error"]
    assert events[-1] == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "Slow down."},
        "request_id": None,
        "success": False,
        "errors": [{"code": 2005, "message": "Slow down."}],
    }


def test_a_failure_in_a_whole_answer_is_raised():
    writer = DIALECT.writer(True, CHAT)
    writer.write(STARTED)
    with pytest.raises(Throttled):
        writer.write(Failed(error=Throttled("Slow down.")))


def test_nothing_is_written_of_an_answer_that_never_began():
    assert DIALECT.writer(True, CHAT).close() == DIALECT.writer(False, CHAT).close() == b""


def test_a_whole_answer(whole):
    message = whole(
        STARTED,
        ReasoningDelta(text="Hm"),
        ReasoningDelta(text=".", signature=Opaque(origin="anthropic", data="s")),
        TextDelta(text="S"),
        RefusalDelta(text="o"),
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=0, arguments='{"x": 1'),
        ToolCallDelta(index=0, arguments="}"),
        Finished(reason="tool_calls"),
        UsageReported(usage=USAGE),
    )
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "So", "citations": None},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}, "caller": {"type": "direct"}},
    ]
    assert message["usage"]["input_tokens"] == 10 and message["usage"]["cache_creation"] == {
        "ephemeral_5m_input_tokens": 30,
        "ephemeral_1h_input_tokens": 0,
    }
    assert message["stop_reason"] == "tool_use"


def test_arguments_cut_short_are_kept_as_they_are(whole):
    cut = (ToolCallStarted(index=0, id="a", name="f"), ToolCallDelta(index=0, arguments='{"x": "ab'))
    message = whole(STARTED, *cut, Finished(reason="length"))
    assert message["content"][0]["input"] == {"unparsed_arguments": '{"x": "ab'}
    assert message["stop_reason"] == "max_tokens"


def test_an_empty_answer(whole, stream):
    assert whole(STARTED, STOP)["content"] == []
    assert shape(stream(STARTED, STOP)) == ["message_start", "message_delta", "message_stop"]


def test_the_keep_alive_is_a_ping(frames):
    assert frames(DIALECT.keep_alive) == [("ping", {"type": "ping"})]
    assert DIALECT.reader(whole=False).feed(DIALECT.keep_alive) == []
