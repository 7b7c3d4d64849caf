"""Providers' answers, their oddities included, to events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.core.chat.event import (
    Cited,
    Event,
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
from isthmus.core.chat.request import Citation, Opaque, SearchResult
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted, Malformed, Rejected, Throttled, TimedOut, Unavailable, UpstreamError
from isthmus.wire.openai_chat import OPENAI_CHAT

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1764000000, "model": "gpt-x"}
STARTED = Started(id="chatcmpl-1", model="gpt-x", created=1764000000)
DONE = b"data: [DONE]\n\n"


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks)


def delta(finish_reason: str | None = None, index: int = 0, **said: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": index, "delta": said, "finish_reason": finish_reason}]}


def streamed(data: bytes) -> list[Event]:
    reader = OPENAI_CHAT.reader(False)
    return reader.feed(data) + reader.close()


def whole(answer: Any) -> list[Event]:
    reader = OPENAI_CHAT.reader(True)
    data = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
    assert reader.feed(data[:5]) == []
    assert reader.feed(data[5:]) == []
    return reader.close()


def said(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Started | Finished)]


def test_each_chunk_gives_its_events_at_once() -> None:
    reader = OPENAI_CHAT.reader(False)
    assert reader.feed(sse(delta(role="assistant", content="", refusal=None))) == [STARTED]
    assert reader.feed(sse(delta(content="Hel"))) == [TextDelta(text="Hel")]
    assert reader.feed(sse(delta(content="lo"))[:-1]) == []
    assert reader.feed(b"\n") == [TextDelta(text="lo")]
    assert reader.feed(sse(delta(refusal="No."))) == [RefusalDelta(text="No.")]
    assert reader.feed(sse(delta("stop"))) == [Finished(reason="stop")]
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    reported = UsageReported(usage=Usage(input_tokens=9, output_tokens=4, cache_read_tokens=8, reasoning_tokens=3))
    assert reader.feed(sse({**HEAD, "choices": [], "usage": usage})) == [reported]
    assert reader.feed(DONE + sse(delta(content="after the end"))) == []
    assert reader.close() == []


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thinking_under_either_name(name: str) -> None:
    assert said(streamed(sse(delta(**{name: "Hm."}), delta("stop")))) == [ReasoningDelta(text="Hm.")]


def test_content_in_parts() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes."}]
    assert said(streamed(sse(delta(content=parts), delta("stop")))) == [
        ReasoningDelta(text="Hm."),
        TextDelta(text="Yes."),
    ]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
    ],
)
def test_why_it_stopped(given: str, reason: str) -> None:
    assert streamed(sse(delta(given))) == [STARTED, Finished(reason=reason)]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("max_tokens", "length"),
        ("model_length", "context_length"),
        ("tool_call", "tool_calls"),
        ("sensitive", "content_filter"),
        ("SAFETY", "content_filter"),
        ("insufficient_system_resource", "error"),
        ("network_error", "error"),
        ("malformed_function_call", "malformed_tool_call"),
        ("eos", "stop"),
        ("x" * 99, "stop"),
    ],
)
def test_why_it_stopped_in_other_servers_words(given: str, reason: str) -> None:
    assert streamed(sse(delta(given))) == [STARTED, Finished(reason=reason, detail=given[:64])]


# --- tool calls -----------------------------------------------------------------------------------------------------


def piece(name: str | None = None, arguments: Any = None, **rest: Any) -> dict[str, Any]:
    return {**rest, "function": {"name": name, "arguments": arguments}}


TWO_CALLS = [
    ToolCallStarted(index=0, id="a", name="f"),
    ToolCallDelta(index=0, arguments='{"x":1}'),
    ToolCallStarted(index=1, id="b", name="g"),
    ToolCallDelta(index=1, arguments="{}"),
]


def merged(events: list[Event]) -> list[Event]:
    """With the fragments of each call's arguments joined."""
    calls: dict[int, list[Any]] = {}
    for event in events:
        if isinstance(event, ToolCallStarted):
            calls[event.index] = [event, ""]
        elif isinstance(event, ToolCallDelta):
            calls[event.index][1] += event.arguments
    return [e for i, (start, text) in calls.items() for e in (start, ToolCallDelta(index=i, arguments=text))]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [
                piece("f", "", index=0, id="a", type="function"),
                piece(None, '{"x"', index=0),
                piece(None, ":1}", index=0),
                piece("g", "", index=1, id="b"),
                piece(None, "{}", index=1),
            ],
            id="as OpenAI does",
        ),
        pytest.param([piece("f", '{"x":1}', index=0, id="a"), piece("g", "{}", index=1, id="b")], id="each in one"),
        pytest.param([piece("f", '{"x":1}', index=0, id="a"), piece("g", "{}", index=0, id="b")], id="all at index 0"),
        pytest.param([piece("f", '{"x":1}', id="a"), piece("g", "{}", id="b")], id="no index"),
        pytest.param(
            [piece("f", '{"x"', id="a"), piece(None, ":1}"), piece("g", "{", id="b"), piece(None, "}")],
            id="no index, fragments without anything",
        ),
        pytest.param(
            [
                piece("f", '{"x"', index=0, id="a"),
                piece("f", ":1}", index=0, id="a"),
                piece("g", "{}", index=1, id="b"),
            ],
            id="id and name again",
        ),
        pytest.param(
            [
                piece("f", '{"x"', index=0, id="a"),
                piece(None, ":1}", index=0, id="z"),
                piece("g", "{}", index=1, id="b"),
            ],
            id="another id with each fragment",
        ),
        pytest.param([piece("f", {"x": 1}, index=0, id="a"), piece("g", {}, index=1, id="b")], id="objects"),
        pytest.param(
            [
                {"index": 0, "id": "a"},
                piece(None, '{"x"', index=0),
                piece("f", ":1}", index=0),
                piece("g", "{}", index=1, id="b"),
                {"index": 1, "id": None, "function": {"name": None, "arguments": ""}},
            ],
            id="the name late, and an empty end",
        ),
        pytest.param(
            [
                piece("f", "", index=3, id="a"),
                piece("g", "", index=7, id="b"),
                piece(None, '{"x":1}', index=3),
                piece(None, "{}", index=7),
            ],
            id="interleaved, indexes of its own",
        ),
    ],
)
def test_fragments_find_their_call(pieces: list[dict[str, Any]]) -> None:
    for chunks in ([delta(tool_calls=pieces)], [delta(tool_calls=[each]) for each in pieces]):
        events = streamed(sse(*chunks, delta("tool_calls")))
        assert merged(events) == TWO_CALLS
        assert events[-1] == Finished(reason="tool_calls")


def test_the_same_call_twice_without_ids_is_two_calls() -> None:
    events = streamed(sse(delta(tool_calls=[piece("f", "{}"), piece("f", "{}")]), delta("stop")))
    starts = [event for event in events if isinstance(event, ToolCallStarted)]
    assert [start.index for start in starts] == [0, 1]
    assert len({start.id for start in starts}) == 2
    assert all(start.id.startswith("call_") for start in starts)


def test_a_stop_after_tool_calls_is_for_them() -> None:
    assert streamed(sse(delta(tool_calls=[piece("f", "{}", index=0, id="a")]), delta("stop")))[-1] == Finished(
        reason="tool_calls"
    )


# --- the head and the end -------------------------------------------------------------------------------------------


def test_azures_empty_first_chunk_starts_nothing() -> None:
    first = {"id": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": []}
    assert streamed(sse(first, delta(content="x"), delta("stop")))[:2] == [STARTED, TextDelta(text="x")]


def test_a_stream_without_id_gets_one_and_no_time() -> None:
    events = streamed(sse({"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}))
    assert isinstance(events[0], Started)
    assert events[0].id
    assert (events[0].model, events[0].created) == ("", None)


def test_several_choices() -> None:
    call = {"tool_calls": [piece("f", "{}", index=0, id="a")]}
    events = streamed(
        sse(
            delta(content="a"),
            delta(content="b", index=1),
            delta(index=1, **call),
            delta("stop", index=1),
            delta(**{"tool_calls": [piece("g", "{}", index=0, id="b")]}),
            delta(content="late", index=1),
            delta("length"),
        )
    )
    assert events == [
        STARTED,
        TextDelta(text="a"),
        TextDelta(text="b", choice=1),
        ToolCallStarted(index=0, id="a", name="f", choice=1),
        ToolCallDelta(index=0, arguments="{}"),
        Finished(reason="tool_calls", choice=1),
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments="{}"),
        Finished(reason="length"),
    ]


def test_every_choice_comes_to_its_end() -> None:
    begun = sse(delta(content="a"), delta("stop", index=1))
    assert streamed(begun + DONE)[-1] == Finished(reason="stop", choice=0)
    with pytest.raises(Interrupted):
        streamed(begun)


@pytest.mark.parametrize("index", [-1, 128, 10**9])
def test_a_choice_of_no_place_is_the_first(index: int) -> None:
    assert streamed(sse(delta("stop", index=index, content="x")))[1:] == [TextDelta(text="x"), Finished(reason="stop")]


DETAILED = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 2, "cache_write_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 1, "accepted_prediction_tokens": 1},
}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            DETAILED,
            Usage(
                input_tokens=20,
                output_tokens=9,
                cache_read_tokens=5,
                cache_write_tokens=4,
                reasoning_tokens=3,
                input_audio_tokens=2,
                output_audio_tokens=1,
            ),
        ),
        ({"prompt_tokens": 3.0}, Usage(input_tokens=3)),
        ({"prompt_tokens": 3, "prompt_cache_hit_tokens": 2}, Usage(input_tokens=3, cache_read_tokens=2)),
        ({"prompt_tokens": 3, "cached_tokens": 2}, Usage(input_tokens=3, cache_read_tokens=2)),
        (
            {"prompt_tokens": 9, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3},
            Usage(input_tokens=9, cache_read_tokens=2, cache_write_tokens=3),
        ),
        # xAI: thinking beside the completion.
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            Usage(input_tokens=32, output_tokens=103, reasoning_tokens=94),
        ),
        # Google's server: thinking in the total alone.
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 65},
            Usage(input_tokens=10, output_tokens=55, reasoning_tokens=50),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "reasoning_tokens": 50, "num_search_queries": 3},
            Usage(input_tokens=10, output_tokens=55, reasoning_tokens=50, web_searches=3),
        ),
        (
            {"prompt_tokens": 1, "completion_tokens": 1, "server_tool_use": {"web_search_requests": 2}},
            Usage(input_tokens=1, output_tokens=1, web_searches=2),
        ),
        # Parts are never larger than their whole.
        (
            {"prompt_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 5}},
            Usage(input_tokens=2, cache_read_tokens=2),
        ),
        ({"prompt_tokens": 1e300, "completion_tokens": -4}, Usage(input_tokens=2**48)),
    ],
)
def test_usage_in_many_servers_words(usage: dict[str, Any], expected: Usage) -> None:
    assert streamed(sse({**delta("stop"), "usage": usage}))[-1] == UsageReported(usage=expected)
    groqs = {**HEAD, "choices": [], "x_groq": {"id": "req_1", "usage": usage}}
    assert streamed(sse(delta("stop"), groqs))[-1] == UsageReported(usage=expected)
    moonshots = delta("stop")
    moonshots["choices"][0]["usage"] = usage
    assert streamed(sse(moonshots))[-1] == UsageReported(usage=expected)


def test_the_tier_that_served() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    told = streamed(sse({**delta("stop"), "usage": usage, "service_tier": "flex"}))[-1]
    assert told == UsageReported(usage=Usage(input_tokens=1, output_tokens=1, service_tier="flex"))


def test_logprobs() -> None:
    rival = {"token": "Ho", "logprob": -2, "bytes": None}
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}
    chunk = delta(content="Hi")
    chunk["choices"][0]["logprobs"] = {"content": [token | {"top_logprobs": [token, rival]}], "refusal": None}
    known = TokenLogprob(token="Hi", logprob=-0.5, top=(("Hi", -0.5), ("Ho", -2.0)))
    assert streamed(sse(chunk, delta("stop")))[1] == TextDelta(text="Hi", logprobs=(known,))
    oddities: list[Any] = [[], 3, {"content": [{"token": 1}, 4, {"token": "x"}]}, {"tokens": ["Hi"]}]
    for odd in oddities:
        chunk["choices"][0]["logprobs"] = odd
        assert streamed(sse(chunk, delta("stop")))[1] == TextDelta(text="Hi")


def test_sources() -> None:
    cited = {"url": "https://x.test", "title": "X", "start_index": 1, "end_index": 4, "content": "so"}
    annotation = {"type": "url_citation", "url_citation": cited}
    other = {"type": "file_citation", "file_citation": {}}
    events = streamed(sse(delta(annotations=[annotation, other, 3]), delta("stop")))
    assert said(events) == [Cited(citation=Citation(url="https://x.test", title="X", quote="so", start=1, end=4))]


def test_sources_beside_the_answer_are_told_once() -> None:
    found = {"citations": ["https://x.test"], "search_results": [{"title": "X", "url": "https://x.test", "date": "d"}]}
    events = streamed(sse({**delta(content="a"), **found}, {**delta("stop"), **found}))
    searched = events[2]
    assert isinstance(searched, HostedToolUsed)
    assert searched.use.tool == "web_search"
    assert searched.use.results == (SearchResult(url="https://x.test", title="X", age="d"),)
    assert events[3:] == [Cited(citation=Citation(url="https://x.test", title="X")), Finished(reason="stop")]
    (only,) = [e for e in streamed(sse({**delta("stop"), "citations": ["u", 3]})) if isinstance(e, HostedToolUsed)]
    assert only.use.results == (SearchResult(url="u"),)


def test_custom_calls_and_old_function_calls() -> None:
    custom = [
        {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": ""}},
        {"index": 0, "custom": {"input": "*** "}},
        {"index": 0, "custom": {"input": "end"}},
    ]
    assert said(streamed(sse(*[delta(tool_calls=[each]) for each in custom], delta("tool_calls")))) == [
        ToolCallStarted(index=0, id="c", name="patch", custom=True),
        ToolCallDelta(index=0, arguments="*** "),
        ToolCallDelta(index=0, arguments="end"),
    ]
    old = [{"name": "f", "arguments": ""}, {"arguments": '{"x"'}, {"arguments": ":1}"}]
    events = merged(streamed(sse(*[delta(function_call=each) for each in old], delta("function_call"))))
    assert isinstance(events[0], ToolCallStarted)
    assert events[1:] == [ToolCallDelta(index=0, arguments='{"x":1}')]


def test_googles_signature_of_a_call() -> None:
    extra = {"google": {"thought_signature": "sig=="}}
    events = streamed(sse(delta(tool_calls=[piece("f", "{}", index=0, id="a", extra_content=extra)]), delta("stop")))
    signature = Opaque(origin="google", data="sig==")
    assert events[1] == ToolCallStarted(index=0, id="a", name="f", signature=signature)


@pytest.mark.parametrize(
    "end", [DONE, b"", b"data: [DONE]", b"data:[DONE]\r\n\r\n"], ids=["done", "none", "half", "other"]
)
def test_a_finished_stream_may_end_as_it_likes(end: bytes) -> None:
    assert streamed(sse(delta("stop")) + end) == [STARTED, Finished(reason="stop")]


def test_what_is_said_after_the_end_is_not_heard() -> None:
    assert streamed(sse(delta("stop"), delta(content="x"), delta("length"))) == [STARTED, Finished(reason="stop")]


def test_done_without_a_reason_is_a_stop() -> None:
    assert streamed(sse(delta(content="x")) + DONE)[-1] == Finished(reason="stop")


def test_a_stream_that_breaks_off() -> None:
    with pytest.raises(Interrupted):
        streamed(sse(delta(content="x")))
    with pytest.raises(Interrupted):
        streamed(sse(delta(content="x")) + sse(delta("stop"))[:-40].removesuffix(b"\n"))


@pytest.mark.parametrize(
    "data", [b"", DONE, b": nothing\n\n", b"data: {\n\n", b"data: <html>\n\n", b'data: {"choices":3}\n\n']
)
def test_a_stream_of_nonsense(data: bytes) -> None:
    with pytest.raises(Malformed):
        streamed(data)


# --- errors inside --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ({"message": "m", "type": "rate_limit_error"}, Throttled, 429),
        ({"message": "m", "type": "tokens", "code": "rate_limit_exceeded"}, Throttled, 429),
        ({"message": "m", "code": 502}, Unavailable, 502),
        ({"message": "m", "code": "503"}, Unavailable, 503),
        ({"message": "m", "type": "server_error", "code": None}, Unavailable, 500),
        ({"message": "m", "type": "invalid_request_error", "code": "context_length_exceeded"}, Rejected, 400),
        ({"message": "m", "code": "timeout"}, TimedOut, 504),
        ({"message": "m", "type": "overloaded_error"}, Unavailable, 529),
        ({"message": "m"}, Unavailable, 502),
        ("m", Unavailable, 502),
    ],
)
def test_an_error_inside_is_classed_by_what_it_says_of_itself(
    error: Any, kind: type[UpstreamError], status: int
) -> None:
    in_stream = streamed(sse(delta(content="x"), {"error": error}, delta(content="y")))
    assert in_stream[:2] == [STARTED, TextDelta(text="x")]
    for failed in (in_stream[2:], whole({"error": error})):
        assert len(failed) == 1
        assert isinstance(failed[0], Failed)
        assert type(failed[0].error) is kind
        assert (failed[0].error.status, failed[0].error.message) == (status, "m")


def test_a_reason_that_is_an_error_is_one() -> None:
    events = streamed(sse(delta(content="x"), delta("error")))
    assert isinstance(events[-1], Failed)
    assert events[-1].error.status == 502


# --- whole answers --------------------------------------------------------------------------------------------------


def test_a_whole_answer() -> None:
    calls = [{"id": "a", **piece("f", '{"x":1}')}, {"id": "b", **piece("g", "{}")}]
    message = {"role": "assistant", "content": "Hi", "refusal": None, "reasoning_content": "Hm", "tool_calls": calls}
    answer = {
        **HEAD,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    assert whole(answer) == [
        STARTED,
        ReasoningDelta(text="Hm"),
        TextDelta(text="Hi"),
        *TWO_CALLS,
        Finished(reason="tool_calls"),
        UsageReported(usage=Usage(input_tokens=1, output_tokens=2)),
    ]


def test_a_whole_answer_of_null_and_of_calls_with_one_id() -> None:
    calls = [{"id": "", **piece("f", "{}")}, {"id": "", **piece("f", "{}")}]
    answer = {**HEAD, "choices": [{"message": {"content": None, "tool_calls": calls}, "finish_reason": "stop"}]}
    starts = [event for event in whole(answer) if isinstance(event, ToolCallStarted)]
    assert [start.index for start in starts] == [0, 1]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"<html>", b'{"choices":[]}', b'{"choices":[{"message"'])
def test_a_whole_answer_of_nonsense(data: bytes) -> None:
    with pytest.raises(Malformed):
        whole(data)
