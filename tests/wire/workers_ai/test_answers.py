"""Native answers, read from platform models and written for callers."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest

from isthmus.core.chat.event import (
    Cited,
    Event,
    Failed,
    Finished,
    FinishReason,
    HostedToolUsed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    Summary,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import AnswerFormat, Chat, Citation, HostedToolUse, Opaque
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError, Interrupted, Malformed, Rejected, Throttled, Unavailable
from isthmus.wire.framing.sse import ServerSentEvents
from isthmus.wire.sealed import unseal_id
from isthmus.wire.workers_ai import WORKERS_AI

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
USED = UsageReported(usage=Usage(input_tokens=9, output_tokens=4))


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks)


def streamed(data: bytes) -> list[Event]:
    reader = WORKERS_AI.reader(False)
    return reader.feed(data) + reader.close()


def whole(answer: Any) -> list[Event]:
    reader = WORKERS_AI.reader(True)
    assert reader.feed(msgspec.json.encode(answer)) == []
    return reader.close()


def after_start(events: list[Event]) -> list[Event]:
    assert isinstance(events[0], Started)
    assert events[0].id
    return events[1:]


# --- read -----------------------------------------------------------------------------------------------------------


def test_cloudflares_stream() -> None:
    stream = sse({"response": "Hel", "p": "abc"}, {"response": "lo"}, {"response": "", "usage": USAGE}) + DONE
    assert after_start(streamed(stream)) == [TextDelta(text="Hel"), TextDelta(text="lo"), USED, Finished(reason="stop")]


def test_a_stream_without_its_end_was_cut() -> None:
    with pytest.raises(Interrupted):
        streamed(sse({"response": "Hel"}))


FLAT = [{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": {}}]
OPENAI = [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
    {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
]
FRAGMENTS = [
    {"id": "a", "index": 0, "function": {"name": "f"}},
    {"index": 0, "function": {"arguments": '{"x"'}},
    {"index": 0, "function": {"arguments": ":1}"}},
    {"id": None, "index": 0, "function": {"name": None, "arguments": ""}},
    {"id": "b", "index": 1, "function": {"name": "g", "arguments": "{}"}},
]


@pytest.mark.parametrize("calls", [FLAT, OPENAI, FRAGMENTS])
def test_tool_calls_in_every_shape_there_is(calls: list[dict[str, Any]]) -> None:
    answers = [streamed(sse(*[{"response": None, "tool_calls": [call]} for call in calls]) + DONE)]
    answers.append(streamed(sse({"tool_calls": calls}) + DONE))
    if calls is not FRAGMENTS:
        answers.append(whole({"response": None, "tool_calls": calls}))
    for events in answers:
        starts = [event for event in events if isinstance(event, ToolCallStarted)]
        texts = ["", ""]
        for event in events:
            if isinstance(event, ToolCallDelta):
                texts[event.index] += event.arguments
        assert [(start.index, start.name) for start in starts] == [(0, "f"), (1, "g")]
        assert len({start.id for start in starts}) == 2
        assert texts == ['{"x":1}', "{}"]
        assert events[-1] == Finished(reason="tool_calls")


@pytest.mark.parametrize("envelope", [False, True])
@pytest.mark.parametrize(("response", "text"), [("Hi", "Hi"), ({"a": [1]}, '{"a":[1]}'), (42, "42"), ("", None)])
def test_a_whole_answer(response: Any, text: str | None, envelope: bool) -> None:
    answer: Any = {"response": response, "usage": USAGE}
    if envelope:
        answer = {"result": answer, "success": True, "errors": [], "messages": []}
    said = [] if text is None else [TextDelta(text=text)]
    assert after_start(whole(answer)) == [*said, USED, Finished(reason="stop")]


def test_newer_models_answer_as_openai_does() -> None:
    message = {"role": "assistant", "content": "Hi"}
    answer = {"id": "i", "model": "m", "created": 1, "choices": [{"message": message, "finish_reason": "length"}]}
    expected = [Started(id="i", model="m", created=1), TextDelta(text="Hi"), Finished(reason="length")]
    assert whole(answer) == expected
    assert whole({"result": answer, "success": True}) == expected
    chunk = {"id": "i", "model": "m", "created": 1, "choices": [{"delta": message, "finish_reason": "length"}]}
    assert streamed(sse(chunk)) == expected


@pytest.mark.parametrize(
    ("code", "kind", "status"), [(3040, Throttled, 429), (5007, Rejected, 400), (9999, Unavailable, 502)]
)
def test_an_error_inside(code: int, kind: type[GatewayError], status: int) -> None:
    error = {"result": None, "success": False, "errors": [{"code": code, "message": "m"}], "messages": []}
    for events in (whole(error), streamed(sse({"response": "x"}, error))):
        failed = events[-1]
        assert isinstance(failed, Failed)
        assert type(failed.error) is kind
        assert (failed.error.status, failed.error.message) == (status, "m")


@pytest.mark.parametrize("data", [b"", b"{}", b"<html>", b"[]", b'{"result":null,"success":true}'])
def test_nonsense(data: bytes) -> None:
    reader = WORKERS_AI.reader(True)
    reader.feed(data)
    with pytest.raises(Malformed):
        reader.close()


# --- written --------------------------------------------------------------------------------------------------------

STARTED = Started(id="x", model="m")
ANSWER: list[Event] = [
    STARTED,
    ReasoningDelta(text="Hm."),
    TextDelta(text="Hi"),
    RefusalDelta(text="!"),
    ToolCallStarted(index=0, id="a", name="f"),
    ToolCallDelta(index=0, arguments='{"x":'),
    ToolCallStarted(index=1, id="b", name="g"),
    ToolCallDelta(index=0, arguments="1.0}"),
    Finished(reason="tool_calls"),
    UsageReported(usage=Usage(input_tokens=9, output_tokens=4, cache_read_tokens=1)),
]
CALLS = [
    {"id": "a", "index": 0, "name": "f", "arguments": {"x": 1.0}},
    {"id": "b", "index": 1, "name": "g", "arguments": {}},
]


def write(events: list[Event], *, whole: bool, answer_format: AnswerFormat | None = None) -> bytes:
    writer = WORKERS_AI.writer(whole, Chat(model="m", messages=(), answer_format=answer_format))
    return b"".join([*[writer.write(event) for event in events], writer.close()])


def test_a_stream_for_callers() -> None:
    stream = write(ANSWER, whole=False)
    assert stream.endswith(DONE)
    assert [msgspec.json.decode(data) for _, data in ServerSentEvents().feed(stream)[:-1]] == [
        {"response": "Hi"},
        {"response": "!"},
        {"response": "", "tool_calls": CALLS},
        {
            "response": "",
            "finish_reason": "tool_calls",
            "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 1}},
        },
    ]


def test_a_whole_answer_for_callers() -> None:
    assert msgspec.json.decode(write(ANSWER, whole=True)) == {
        "response": "Hi!",
        "tool_calls": CALLS,
        "finish_reason": "tool_calls",
        "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 1}},
    }


@pytest.mark.parametrize(
    ("text", "response"),
    [('{"a": 1.0}', b'{"a": 1.0}'), ("[1]", b"[1]"), ("Sorry", b'"Sorry"'), ("12", b'"12"'), ("{", b'"{"')],
)
def test_json_that_was_asked_for_is_an_object(text: str, response: bytes) -> None:
    events: list[Event] = [STARTED, TextDelta(text=text), Finished(reason="stop")]
    as_json = write(events, whole=True, answer_format=AnswerFormat())
    assert as_json == b'{"response":' + response + b',"finish_reason":"stop"}'
    assert msgspec.json.decode(write(events, whole=True))["response"] == text
    assert msgspec.json.decode(write(events, whole=False, answer_format=AnswerFormat())[6:].partition(b"\n")[0]) == {
        "response": text
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_arguments_of_several_lines_do_not_break_an_event(end: str) -> None:
    arguments = f'{{{end} "at": "a\\n",{end} "n": 1.0{end}}}'
    called = ToolCallStarted(index=0, id="a", name="f")
    events: list[Event] = [STARTED, called, ToolCallDelta(index=0, arguments=arguments), Finished(reason="tool_calls")]
    (_, first), *_ = ServerSentEvents().feed(write(events, whole=False))
    for answer in (first, write(events, whole=True)):
        assert msgspec.json.decode(answer)["tool_calls"][0]["arguments"] == {"at": "a\n", "n": 1.0}


def test_arguments_that_are_no_json_stay_text() -> None:
    events: list[Event] = [
        STARTED,
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments='{"x"'),
        Finished(reason="length"),
    ]
    assert msgspec.json.decode(write(events, whole=True))["tool_calls"][0]["arguments"] == '{"x"'


def test_failures() -> None:
    writer = WORKERS_AI.writer(False, Chat(model="m", messages=()))
    writer.write(STARTED)
    last = writer.write(Failed(error=Throttled("m"))) + writer.close()
    assert msgspec.json.decode(last.removeprefix(b"data: ")) == {
        "result": None,
        "success": False,
        "errors": [{"code": 2005, "message": "m"}],
        "messages": [],
    }
    with pytest.raises(Throttled):
        WORKERS_AI.writer(True, Chat(model="m", messages=())).write(Failed(error=Throttled("m")))
    with pytest.raises(Interrupted):
        write([STARTED, TextDelta(text="x")], whole=True)
    assert b"[DONE]" not in write([STARTED, TextDelta(text="x")], whole=False)


# --- errors and summaries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (429, b'{"success":false,"errors":[{"code":3040,"message":"Busy."}]}', Throttled, "Busy."),
        (400, b'{"success":false,"result":[],"error":[{"code":2001,"message":"No."}]}', Rejected, "No."),
        (413, b'{"name":"AiError","internalCode":5021,"httpCode":413,"message":"Long."}', Rejected, "Long."),
        (500, b"<html>", Unavailable, "The provider answered with status 500."),
    ],
)
def test_errors_read(status: int, body: bytes, kind: type[GatewayError], message: str) -> None:
    error = WORKERS_AI.read_error(status, body, None)
    assert type(error) is kind
    assert (error.status, error.message) == (status, message)


NATIVE = sse({"response": "x"}, {"response": "", "usage": USAGE})
USED_THEN = Usage(input_tokens=9, output_tokens=4)


@pytest.mark.parametrize(
    ("answer", "is_whole", "found"),
    [
        (NATIVE + DONE, False, Summary(usage=USED_THEN, finish_reason="stop")),
        (NATIVE, False, Summary(usage=USED_THEN)),
        (write(ANSWER[:3] + ANSWER[-2:], whole=False), False, None),
        (sse({"response": "x"}, {"result": None, "success": False}), False, Summary(failed=True)),
        (b'{"response":"x","usage":{"prompt_tokens":9}}', True, None),
        (b'{"result":{"response":"x","tool_calls":[{}]},"success":true}', True, Summary(finish_reason="tool_calls")),
        (b'{"result":{"choices":[{"finish_reason":"length"}]}}', True, Summary(finish_reason="length")),
        (b'{"success":false,"errors":[]}', True, Summary(failed=True)),
        (b"<html>", True, Summary()),
    ],
)
def test_summaries(answer: bytes, is_whole: bool, found: Summary | None) -> None:
    summary = WORKERS_AI.summarize(answer, is_whole)
    if found is None:
        assert summary.usage is not None and summary.usage.input_tokens == 9
        assert summary.finish_reason is not None
    else:
        assert summary == found


def test_what_has_no_place_is_passed_over() -> None:
    events: list[Event] = [
        STARTED,
        ReasoningDelta(text="Hm.", signature=Opaque(origin="anthropic", data="s")),
        HostedToolUsed(use=HostedToolUse(id="s", tool="web_search")),
        TextDelta(text="Hi"),
        Cited(citation=Citation(url="https://x.test")),
        TextDelta(text="Hey", choice=1),
        ToolCallStarted(index=0, id="a", name="f", choice=1),
        ToolCallDelta(index=0, arguments="{}"),
        Finished(reason="stop"),
        Finished(reason="length", choice=1),
    ]
    assert msgspec.json.decode(write(events, whole=True)) == {"response": "Hi", "finish_reason": "stop"}
    stream = ServerSentEvents().feed(write(events, whole=False))[:-1]
    assert [msgspec.json.decode(data) for _, data in stream] == [
        {"response": "Hi"},
        {"response": "", "finish_reason": "stop"},
    ]


def test_the_signature_of_a_call_travels_in_its_id() -> None:
    signature = Opaque(origin="google", data="sig==")
    events: list[Event] = [
        STARTED,
        ToolCallStarted(index=0, id="a", name="f", signature=signature),
        Finished(reason="tool_calls"),
    ]
    (call,) = msgspec.json.decode(write(events, whole=True))["tool_calls"]
    assert unseal_id(call["id"]) == ("a", signature)


@pytest.mark.parametrize("reason", typing.get_args(FinishReason))
def test_every_reason_has_a_word(reason: FinishReason) -> None:
    answer = msgspec.json.decode(write([STARTED, Finished(reason=reason)], whole=True))
    assert answer["finish_reason"] in ("stop", "length", "tool_calls", "content_filter")
