"""Answers as OpenAI's own look, held against its schema and read by its own SDK."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openai.lib.streaming._deltas import accumulate_delta
from openai.types.chat import ChatCompletion, ChatCompletionChunk

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
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import Chat, Citation, HostedToolUse, Opaque
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted, Throttled
from isthmus.wire.body import Body
from isthmus.wire.framing.sse import ServerSentEvents
from isthmus.wire.openai_chat import OPENAI_CHAT
from isthmus.wire.sealed import seal, unseal_id

STARTED = Started(id="msg_1", model='model "x"', created=1764000000)
USED = UsageReported(usage=Usage(input_tokens=9, output_tokens=4, cache_read_tokens=8, reasoning_tokens=3))
SIGNATURE = Opaque(origin="anthropic", data="EqQB/+=")
RIVALS = (TokenLogprob(token="Hi", logprob=-0.5, top=(("Hi", -0.5), ("Ho", float("-inf")))),)
ANSWERS: dict[str, list[Event]] = {
    "text": [STARTED, TextDelta(text="Hel"), TextDelta(text='lo "\n\u2028'), Finished(reason="stop"), USED],
    "tools": [
        STARTED,
        ReasoningDelta(text="Hm."),
        ReasoningDelta(signature=SIGNATURE),
        ToolCallStarted(index=0, id="call_1", name="f"),
        ToolCallDelta(index=0, arguments='{"x":'),
        ToolCallStarted(index=1, id="call_2", name="g"),
        ToolCallDelta(index=0, arguments="1}"),
        USED,
        Finished(reason="tool_calls"),
    ],
    "refusal": [STARTED, RefusalDelta(text="No."), Finished(reason="content_filter")],
    "nothing": [STARTED, Finished(reason="length")],
    "several": [
        STARTED,
        TextDelta(text="Hi", logprobs=RIVALS),
        TextDelta(text="Hey", choice=1),
        ToolCallStarted(index=0, id="c", name="f", choice=1),
        Finished(reason="stop"),
        Finished(reason="tool_calls", choice=1),
        UsageReported(usage=Usage(input_tokens=1, output_tokens=2, service_tier="standard")),
    ],
    "sources": [
        STARTED,
        HostedToolUsed(use=HostedToolUse(id="s", tool="web_search")),
        TextDelta(text="So it is."),
        Cited(citation=Citation(url="https://x.test", title="X", start=0, end=2)),
        Cited(citation=Citation(url="https://y.test")),
        Cited(citation=Citation(document=0, first=1, last=2)),
        Finished(reason="stop", detail="END"),
    ],
}
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 3,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def whole(events: list[Event]) -> dict[str, Any]:
    writer = OPENAI_CHAT.writer(True, Chat(model="m", messages=()))
    assert b"".join([writer.write(event) for event in events]) == b""
    decoded: dict[str, Any] = msgspec.json.decode(writer.close())
    return decoded


def streamed(events: list[Event], include_usage: bool = True) -> bytes:
    writer = OPENAI_CHAT.writer(False, Chat(model="m", messages=(), stream=True, include_usage=include_usage))
    return b"".join([*[writer.write(event) for event in events], writer.close()])


def chunks(stream: bytes) -> list[Any]:
    assert stream.endswith(b"data: [DONE]\n\n")
    return [msgspec.json.decode(data) for _, data in ServerSentEvents().feed(stream)[:-1]]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_whole_answer_is_one_of_openais(name: str, openai_schema: Callable[[str], Draft202012Validator]) -> None:
    answer = whole(ANSWERS[name])
    openai_schema("CreateChatCompletionResponse").validate(answer)
    ChatCompletion.model_validate(answer, strict=True)


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("include_usage", [True, False])
def test_every_chunk_is_one_of_openais(
    name: str, include_usage: bool, openai_schema: Callable[[str], Draft202012Validator]
) -> None:
    schema = openai_schema("CreateChatCompletionStreamResponse")
    for chunk in chunks(streamed(ANSWERS[name], include_usage)):
        schema.validate(chunk)
        ChatCompletionChunk.model_validate(chunk, strict=True)
        assert ("usage" in chunk) is include_usage


def test_the_schemas_are_ones_that_refuse(openai_schema: Callable[[str], Draft202012Validator]) -> None:
    answer = whole(ANSWERS["tools"])
    del answer["choices"][0]["message"]["refusal"]
    assert not openai_schema("CreateChatCompletionResponse").is_valid(answer)
    chunk = chunks(streamed(ANSWERS["text"]))[0]
    assert not openai_schema("CreateChatCompletionStreamResponse").is_valid({**chunk, "created": "now"})


def test_a_whole_answer_in_full() -> None:
    assert whole(ANSWERS["tools"]) == {
        "id": "chatcmpl-msg_1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": 'model "x"',
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "refusal": None,
                    "annotations": [],
                    "reasoning_content": "Hm.",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "Hm.",
                            "index": 0,
                            "signature": seal(SIGNATURE, "openrouter"),
                        }
                    ],
                    "tool_calls": [
                        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "service_tier": None,
        "usage": USAGE,
    }


def test_content_is_null_only_beside_something_else() -> None:
    assert whole(ANSWERS["nothing"])["choices"][0]["message"]["content"] == ""
    assert whole(ANSWERS["refusal"])["choices"][0]["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": "No.",
        "annotations": [],
    }
    assert "usage" not in whole(ANSWERS["refusal"])


def test_a_stream_in_full() -> None:
    stream = chunks(streamed(ANSWERS["tools"]))
    head = {
        "id": "chatcmpl-msg_1",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": 'model "x"',
    }
    deltas = []
    for chunk in stream[:-1]:
        assert {name: chunk[name] for name in head} == head
        assert chunk["usage"] is None
        (choice,) = chunk["choices"]
        assert (choice["index"], choice["logprobs"]) == (0, None)
        deltas.append((choice["delta"], choice["finish_reason"]))

    def call(index: int, name: str) -> dict[str, Any]:
        function = {"name": name, "arguments": ""}
        return {"tool_calls": [{"index": index, "id": f"call_{index + 1}", "type": "function", "function": function}]}

    def more(index: int, arguments: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}

    detail = {"type": "reasoning.text", "text": "Hm.", "index": 0, "signature": seal(SIGNATURE, "openrouter")}
    assert deltas == [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        ({"reasoning_content": "Hm."}, None),
        ({"reasoning_details": [detail]}, None),
        (call(0, "f"), None),
        (more(0, '{"x":'), None),
        (call(1, "g"), None),
        (more(0, "1}"), None),
        (more(1, "{}"), None),
        ({}, "tool_calls"),
    ]
    assert stream[-1] == head | {"choices": [], "service_tier": None, "usage": USAGE}


def test_usage_only_where_it_was_asked_for_and_is_known() -> None:
    assert chunks(streamed(ANSWERS["text"], include_usage=False))[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks(streamed(ANSWERS["refusal"]))[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_usage_known_at_the_start_holds_until_more_is_known() -> None:
    early = msgspec.structs.replace(STARTED, usage=Usage(input_tokens=5))
    answer = [early, Finished(reason="stop")]
    assert whole(answer)["usage"]["prompt_tokens"] == 5
    assert chunks(streamed(answer))[-1]["usage"]["prompt_tokens"] == 5


def test_an_id_of_openais_form_is_kept() -> None:
    own = msgspec.structs.replace(STARTED, id="chatcmpl-7")
    assert whole([own, Finished(reason="stop")])["id"] == "chatcmpl-7"


def test_each_event_goes_out_at_once() -> None:
    writer = OPENAI_CHAT.writer(False, Chat(model="m", messages=()))
    for event in ANSWERS["text"][:4]:
        assert writer.write(event).endswith(b"\n\n")


def test_a_failure_in_a_stream_is_its_last_word() -> None:
    error = Throttled("Too much.", kind="tokens")
    writer = OPENAI_CHAT.writer(False, Chat(model="m", messages=()))
    writer.write(STARTED)
    last = writer.write(Failed(error=error)) + writer.close()
    assert last.startswith(b"data: {")
    assert last.endswith(b"}\n\n")
    assert msgspec.json.decode(last[6:])["error"] == {
        "message": "Too much.",
        "type": "tokens",
        "param": None,
        "code": "2005",
    }


def test_a_failure_of_a_whole_answer_is_raised() -> None:
    writer = OPENAI_CHAT.writer(True, Chat(model="m", messages=()))
    with pytest.raises(Throttled):
        writer.write(Failed(error=Throttled("Too much.")))


def test_what_never_finished_does_not_look_as_if_it_had() -> None:
    assert b"[DONE]" not in streamed([STARTED, TextDelta(text="x")])
    with pytest.raises(Interrupted):
        whole([STARTED, TextDelta(text="x")])


@pytest.mark.parametrize("name", ANSWERS)
def test_openais_sdk_puts_a_stream_together(name: str) -> None:
    gathered: dict[int, dict[object, object]] = {}
    for chunk in chunks(streamed(ANSWERS[name]))[:-1]:
        for choice in chunk["choices"]:
            known = gathered.get(choice["index"])
            gathered[choice["index"]] = choice["delta"] if known is None else accumulate_delta(known, choice["delta"])
    for choice in whole(ANSWERS[name])["choices"]:
        message, found = choice["message"], gathered[choice["index"]]
        assert (found["content"] or None) == (message["content"] or None)
        assert found.get("refusal") == message["refusal"]
        assert found.get("annotations", []) == message["annotations"]
        assert found.get("reasoning_content") == message.get("reasoning_content")
        assert found.get("reasoning_details") == message.get("reasoning_details")


def test_several_choices() -> None:
    first, second = whole(ANSWERS["several"])["choices"]
    assert (first["index"], first["message"]["content"], first["finish_reason"]) == (0, "Hi", "stop")
    assert (second["index"], second["message"]["content"], second["finish_reason"]) == (1, "Hey", "tool_calls")
    assert second["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    written = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}
    rival = {"token": "Ho", "logprob": -9999.0, "bytes": [72, 111]}
    logprobs = {"content": [written | {"top_logprobs": [written, rival]}], "refusal": None}
    assert (first["logprobs"], second["logprobs"]) == (logprobs, None)
    stream = [chunk["choices"][0] for chunk in chunks(streamed(ANSWERS["several"]))[:-1]]
    assert [choice["index"] for choice in stream] == [0, 0, 1, 1, 1, 0, 1, 1]
    assert stream[1]["logprobs"] == logprobs
    assert stream[2]["delta"]["role"] == "assistant"
    assert stream[4]["delta"]["tool_calls"][0]["index"] == 0


def test_a_choice_without_its_end_is_no_answer() -> None:
    with pytest.raises(Interrupted):
        whole([event for event in ANSWERS["several"] if event != Finished(reason="tool_calls", choice=1)])


def test_the_tier_in_openais_words() -> None:
    assert whole(ANSWERS["several"])["service_tier"] == "default"
    assert chunks(streamed(ANSWERS["several"]))[-1]["service_tier"] == "default"


def test_sources_are_annotations() -> None:
    def annotation(start: int, end: int, url: str, title: str) -> dict[str, Any]:
        cited = {"start_index": start, "end_index": end, "url": url, "title": title}
        return {"type": "url_citation", "url_citation": cited}

    expected = [annotation(0, 2, "https://x.test", "X"), annotation(9, 9, "https://y.test", "")]
    assert whole(ANSWERS["sources"])["choices"][0]["message"]["annotations"] == expected
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(streamed(ANSWERS["sources"]))[:-1]]
    assert [delta["annotations"] for delta in deltas if "annotations" in delta] == [expected]


@pytest.mark.parametrize("reason", typing.get_args(FinishReason))
def test_every_reason_is_one_of_openais(
    reason: FinishReason, openai_schema: Callable[[str], Draft202012Validator]
) -> None:
    events: list[Event] = [STARTED, Finished(reason=reason)]
    openai_schema("CreateChatCompletionResponse").validate(whole(events))
    for chunk in chunks(streamed(events)):
        openai_schema("CreateChatCompletionStreamResponse").validate(chunk)


def test_the_signature_of_a_call_travels_in_its_id() -> None:
    signature = Opaque(origin="google", data="sig==")
    events: list[Event] = [
        STARTED,
        ToolCallStarted(index=0, id="c", name="f", signature=signature),
        Finished(reason="tool_calls"),
    ]
    (call,) = whole(events)["choices"][0]["message"]["tool_calls"]
    assert unseal_id(call["id"]) == ("c", signature)
    assert chunks(streamed(events))[1]["choices"][0]["delta"]["tool_calls"][0]["id"] == call["id"]


# --- for callers of custom tools, and of the old functions ----------------------------------------------------------


def asked(body: dict[str, Any]) -> Chat:
    messages = [{"role": "user", "content": "x"}]
    return OPENAI_CHAT.read_request(Body(msgspec.json.encode({"messages": messages, **body})))


def both(chat: Chat, events: list[Event]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The whole answer's choice, and the deltas of the streamed one after the first."""
    all_of_it, piece_by_piece = OPENAI_CHAT.writer(True, chat), OPENAI_CHAT.writer(False, chat)
    for event in events:
        all_of_it.write(event)
    stream = b"".join([*[piece_by_piece.write(event) for event in events], piece_by_piece.close()])
    choices = [chunk["choices"][0] for chunk in chunks(stream)]
    return msgspec.json.decode(all_of_it.close())["choices"][0], choices[1:]


@pytest.mark.parametrize(
    "call",
    [
        [
            ToolCallStarted(index=0, id="c", name="patch"),
            ToolCallDelta(index=0, arguments='{"input":"a\\'),
            ToolCallDelta(index=0, arguments='nb"}'),
        ],
        [
            ToolCallStarted(index=0, id="c", name="patch", custom=True),
            ToolCallDelta(index=0, arguments="a"),
            ToolCallDelta(index=0, arguments="\nb"),
        ],
    ],
    ids=["of a function", "of a custom tool"],
)
def test_calls_of_custom_tools(call: list[Event]) -> None:
    chat = asked({"tools": [{"type": "custom", "custom": {"name": "patch"}}]})
    answer, stream = both(chat, [STARTED, *call, Finished(reason="tool_calls")])
    assert answer["message"]["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "a\nb"}}
    ]
    pieces = [piece for choice in stream for piece in choice["delta"].get("tool_calls", ())]
    assert pieces[0] == {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": ""}}
    assert "".join(piece["custom"]["input"] for piece in pieces) == "a\nb"


def test_calls_of_the_old_functions(openai_schema: Callable[[str], Draft202012Validator]) -> None:
    chat = asked({"functions": [{"name": "f"}]})
    events: list[Event] = [
        STARTED,
        ToolCallStarted(index=0, id="c", name="f"),
        ToolCallDelta(index=0, arguments='{"x":1}'),
        ToolCallStarted(index=1, id="d", name="f"),
        ToolCallDelta(index=1, arguments="{}"),
        Finished(reason="tool_calls"),
    ]
    answer, stream = both(chat, events)
    assert answer["finish_reason"] == "function_call"
    assert answer["message"]["function_call"] == {"name": "f", "arguments": '{"x":1}'}
    assert "tool_calls" not in answer["message"]
    assert [choice["delta"] for choice in stream] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"x":1}'}},
        {},
    ]
    assert stream[-1]["finish_reason"] == "function_call"
    for choice in stream:
        openai_schema("ChatCompletionStreamResponseDelta").validate(choice["delta"])
