"""OpenAI's SDK on chat completions, in what the matrix does not look at: fields, rows, choices of tools."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from sdk.targets import LOCAL, each_model, each_provided, logged

CAPITAL: Any = [
    {"role": "user", "content": "What is the capital of France? Answer in one sentence. echo: It is Paris."}
]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
TIME: Any = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
FEW: dict[str, Any] = {"max_completion_tokens": 30, "temperature": 0}


def check_row(served: Any, headers: Any, model: str, *, streamed: bool) -> None:
    row = served.row(headers["cf-aig-log-id"])
    assert (row["model"], row["success"], row["status_code"]) == (logged(model), True, 200)
    assert (row["request_type"], row["streamed"]) == ("chat.completions", streamed)
    assert row["tokens_in"] > 0 and row["tokens_out"] > 0


@each_model
def test_whole(openai_client: openai.OpenAI, served: Any, model: str) -> None:
    raw = openai_client.chat.completions.with_raw_response.create(model=model, messages=CAPITAL, **FEW)
    answer = raw.parse()
    (choice,) = answer.choices
    assert "Paris" in (choice.message.content or "")
    assert (choice.finish_reason, choice.message.role, answer.object) == ("stop", "assistant", "chat.completion")
    assert answer.usage is not None and 0 < answer.usage.completion_tokens <= 30
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    metadata = None if model == LOCAL else {"keySource": "Unified"}
    assert (answer.model_extra or {}).get("gatewayMetadata") == metadata
    assert raw.headers["cf-aig-request-id"] == raw.headers["cf-aig-log-id"] == raw.headers["cf-aig-event-id"]
    check_row(served, raw.headers, model, streamed=False)


@pytest.mark.parametrize("include_usage", [True, False])
@each_model
def test_streamed(openai_client: openai.OpenAI, served: Any, model: str, include_usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if include_usage else {}
    raw = openai_client.chat.completions.with_raw_response.create(
        model=model, messages=CAPITAL, stream=True, **options, **FEW
    )
    chunks = list(raw.parse())
    said = [chunk for chunk in chunks if chunk.choices]
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in said)
    assert said[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in said if chunk.choices[0].finish_reason] == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1 and chunks[0].object == "chat.completion.chunk"
    if include_usage:
        assert chunks[-1].choices == [] and chunks[-1].usage is not None
        assert 0 < chunks[-1].usage.completion_tokens <= 30
    else:
        assert said == chunks and not any(chunk.usage for chunk in chunks)
    check_row(served, raw.headers, model, streamed=True)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_model
async def test_async(async_openai: openai.AsyncOpenAI, model: str, stream: bool) -> None:
    answer: Any = await async_openai.chat.completions.create(model=model, messages=CAPITAL, stream=stream, **FEW)
    if stream:
        chunks = [chunk async for chunk in answer]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    else:
        text = answer.choices[0].message.content
    assert "Paris" in text


@each_provided
def test_one_call_where_two_are_not_wanted(openai_client: openai.OpenAI, model: str) -> None:
    messages: Any = [{"role": "user", "content": "call get_weather and call get_time"}]
    raw = openai_client.chat.completions.with_raw_response.create(
        model=model, messages=messages, tools=[WEATHER, TIME], parallel_tool_calls=False
    )
    calls = raw.parse().choices[0].message.tool_calls or []
    # Google and Cohere have no such field, and the answer says so.
    unheard = model.startswith(("google/", "cohere/"))
    assert len(calls) == (2 if unheard else 1)
    assert ("parallel_tool_calls" in raw.headers.get("cf-aig-fidelity", "")) is unheard


@each_model
def test_the_named_tool_is_called(openai_client: openai.OpenAI, model: str) -> None:
    choice: Any = {"type": "function", "function": {"name": "get_time"}}
    answer = openai_client.chat.completions.create(
        model=model, messages=CAPITAL, tools=[WEATHER, TIME], tool_choice=choice, **FEW
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function" and call.function.name == "get_time"
    assert isinstance(json.loads(call.function.arguments), dict)
