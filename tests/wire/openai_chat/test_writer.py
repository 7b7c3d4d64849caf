"""Answers as OpenAI's own look, held against its schema and read by its own SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from isthmus.core.event import (
    Event,
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
from isthmus.core.request import Chat
from isthmus.core.usage import Usage
from isthmus.errors import Interrupted, Throttled
from isthmus.wire.framing.sse import ServerSentEvents
from isthmus.wire.openai_chat import OPENAI_CHAT

STARTED = Started(id="msg_1", model='model "x"', created=1764000000)
USED = UsageReported(usage=Usage(input_tokens=9, output_tokens=4, cache_read_tokens=8, reasoning_tokens=3))
ANSWERS: dict[str, list[Event]] = {
    "text": [STARTED, TextDelta(text="Hel"), TextDelta(text='lo "\n\u2028'), Finished(reason="stop"), USED],
    "tools": [
        STARTED,
        ReasoningDelta(text="Hm."),
        ReasoningDelta(signature="opaque"),
        ToolCallStarted(index=0, id="call_1", name="f"),
        ToolCallDelta(index=0, arguments='{"x":'),
        ToolCallStarted(index=1, id="call_2", name="g"),
        ToolCallDelta(index=0, arguments="1}"),
        USED,
        Finished(reason="tool_calls"),
    ],
    "refusal": [STARTED, RefusalDelta(text="No."), Finished(reason="content_filter")],
    "nothing": [STARTED, Finished(reason="length")],
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
                    "tool_calls": [
                        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
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

    assert deltas == [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        ({"reasoning_content": "Hm."}, None),
        (call(0, "f"), None),
        (more(0, '{"x":'), None),
        (call(1, "g"), None),
        (more(0, "1}"), None),
        (more(1, "{}"), None),
        ({}, "tool_calls"),
    ]
    assert stream[-1] == head | {"choices": [], "usage": USAGE}


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
