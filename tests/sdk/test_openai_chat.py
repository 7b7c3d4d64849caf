"""OpenAI's SDK on chat completions: at OpenAI, at Anthropic, and at the local model."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import openai
import pydantic
import pytest

LOCAL = "@cf/huggingface/smollm2-135m-instruct"
PROVIDERS = ["openai/gpt-4o", "anthropic/claude-haiku-4.5"]
MODELS = [LOCAL, *PROVIDERS]
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
ASKED: Any = [
    {"role": "system", "content": "You help travellers."},
    {"role": "user", "content": 'What is the weather in Paris? call get_weather with {"city":"Paris"}'},
]
PLACE = {
    "type": "object",
    "properties": {"continent": {"enum": ["Europe", "Asia"]}, "island": {"type": "boolean"}},
    "required": ["continent", "island"],
    "additionalProperties": False,
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FEW: dict[str, Any] = {"max_completion_tokens": 30, "temperature": 0}


def made(calls: list[Any]) -> Any:
    """The assistant's turn, as a caller sends it back."""
    functions = [{"name": call.function.name, "arguments": call.function.arguments} for call in calls]
    sent = [
        {"id": call.id, "type": "function", "function": function}
        for call, function in zip(calls, functions, strict=True)
    ]
    return {"role": "assistant", "tool_calls": sent}


def result(call: Any, content: str) -> Any:
    return {"role": "tool", "tool_call_id": call.id, "content": content}


def check_row(served: Any, headers: Any, model: str, *, streamed: bool) -> None:
    row = served.row(headers["cf-aig-log-id"])
    assert (row["model"], row["success"], row["status_code"]) == (model, True, 200)
    assert (row["request_type"], row["streamed"]) == ("chat.completions", streamed)
    assert row["tokens_in"] > 0 and row["tokens_out"] > 0


@pytest.mark.parametrize("model", MODELS)
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
@pytest.mark.parametrize("model", MODELS)
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
@pytest.mark.parametrize("model", MODELS)
async def test_async(async_openai: openai.AsyncOpenAI, model: str, stream: bool) -> None:
    answer: Any = await async_openai.chat.completions.create(model=model, messages=CAPITAL, stream=stream, **FEW)
    if stream:
        chunks = [chunk async for chunk in answer]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    else:
        text = answer.choices[0].message.content
    assert "Paris" in text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", MODELS)
def test_a_tool_is_called_and_its_result_put_into_words(openai_client: openai.OpenAI, model: str, stream: bool) -> None:
    """With the SDK's own stream helper, which puts the deltas of a call together."""
    given: Any = {"model": model, "tools": [WEATHER], **FEW}
    if stream:
        with openai_client.chat.completions.stream(messages=ASKED, **given) as events:
            answer: Any = events.get_final_completion()
    else:
        answer = openai_client.chat.completions.create(messages=ASKED, **given)
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "get_weather") and call.id
    arguments = json.loads(call.function.arguments)
    assert list(arguments) == ["city"] and isinstance(arguments["city"], str)
    messages: Any = [*ASKED, made([call]), result(call, "18 degrees")]
    after = openai_client.chat.completions.create(messages=messages, **given)
    assert after.choices[0].message.content and not after.choices[0].message.tool_calls
    if model != LOCAL:
        assert "18 degrees" in after.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", PROVIDERS)
def test_two_calls_at_once(openai_client: openai.OpenAI, model: str, stream: bool) -> None:
    messages: Any = [{"role": "user", "content": 'call get_weather with {"city":"Rome"} and call get_time'}]
    given: Any = {"model": model, "tools": [WEATHER, TIME]}
    if stream:
        with openai_client.chat.completions.stream(messages=messages, **given) as events:
            message: Any = events.get_final_completion().choices[0].message
    else:
        message = openai_client.chat.completions.create(messages=messages, **given).choices[0].message
    calls = message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[0].function.arguments) == {"city": "Rome"}
    assert len({call.id for call in calls}) == 2
    messages += [made(calls), result(calls[0], "warm"), result(calls[1], "noon")]
    after = openai_client.chat.completions.create(messages=messages, **given)
    assert "warm / noon" in (after.choices[0].message.content or "")


@pytest.mark.parametrize("model", PROVIDERS)
def test_one_call_where_two_are_not_wanted(openai_client: openai.OpenAI, model: str) -> None:
    messages: Any = [{"role": "user", "content": "call get_weather and call get_time"}]
    answer = openai_client.chat.completions.create(
        model=model, messages=messages, tools=[WEATHER, TIME], parallel_tool_calls=False
    )
    assert len(answer.choices[0].message.tool_calls or []) == 1


@pytest.mark.parametrize("model", MODELS)
def test_the_named_tool_is_called(openai_client: openai.OpenAI, model: str) -> None:
    choice: Any = {"type": "function", "function": {"name": "get_time"}}
    answer = openai_client.chat.completions.create(
        model=model, messages=CAPITAL, tools=[WEATHER, TIME], tool_choice=choice, **FEW
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function" and call.function.name == "get_time"
    assert isinstance(json.loads(call.function.arguments), dict)


@pytest.mark.parametrize("model", MODELS)
def test_json_schema(openai_client: openai.OpenAI, model: str) -> None:
    messages: Any = [{"role": "user", "content": "Where is France? Answer in JSON."}]
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": PLACE, "strict": True}}
    answer = openai_client.chat.completions.create(model=model, messages=messages, response_format=wanted, **FEW)
    jsonschema.validate(json.loads(answer.choices[0].message.content or ""), PLACE)


class Place(pydantic.BaseModel):
    continent: str
    island: bool


@pytest.mark.parametrize("model", PROVIDERS)
def test_the_parse_helper(openai_client: openai.OpenAI, model: str) -> None:
    answer = openai_client.chat.completions.parse(model=model, messages=ASKED, response_format=Place)
    assert isinstance(answer.choices[0].message.parsed, Place)


@pytest.mark.parametrize("model", PROVIDERS)
def test_an_image(openai_client: openai.OpenAI, model: str) -> None:
    parts = [
        {"type": "text", "text": "echo: a pixel"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    messages: Any = [{"role": "user", "content": parts}]
    answer = openai_client.chat.completions.create(model=model, messages=messages)
    assert answer.choices[0].message.content == "a pixel"
    assert answer.usage is not None and answer.usage.prompt_tokens > 80  # the simulator's price of a picture


def test_an_image_for_a_model_without_eyes(openai_client: openai.OpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    messages: Any = [{"role": "user", "content": [image]}]
    with pytest.raises(openai.BadRequestError, match="takes no images"):
        openai_client.chat.completions.create(model=LOCAL, messages=messages, **FEW)
