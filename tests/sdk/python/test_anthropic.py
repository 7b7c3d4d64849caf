"""Anthropic's SDK on messages, in what the matrix does not look at: fields, rows, ends, ways to show the token."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from sdk.targets import LOCAL, each_model, each_provided, logged

CAPITAL: Any = [
    {"role": "user", "content": "What is the capital of France? Answer in one sentence. echo: It is Paris."}
]
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
TIME: Any = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}


def few(model: str) -> dict[str, Any]:
    """The newest version of this API, and of its SDK, has no `temperature`; the local model's answers need one."""
    return {"max_tokens": 30, **({"extra_body": {"temperature": 0}} if model == LOCAL else {})}


def check_row(served: Any, headers: Any, model: str, *, streamed: bool) -> None:
    row = served.row(headers["cf-aig-log-id"])
    assert (row["model"], row["success"], row["status_code"]) == (logged(model), True, 200)
    assert (row["request_type"], row["streamed"]) == ("messages", streamed)
    assert row["tokens_in"] > 0 and row["tokens_out"] > 0


@each_model
def test_whole(anthropic_client: anthropic.Anthropic, served: Any, model: str) -> None:
    raw = anthropic_client.messages.with_raw_response.create(
        model=model, messages=CAPITAL, system="You know geography.", **few(model)
    )
    answer = raw.parse()
    (block,) = answer.content
    assert block.type == "text" and "Paris" in block.text
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert answer.id.startswith("msg_") and 0 < answer.usage.output_tokens <= 30
    check_row(served, raw.headers, model, streamed=False)


@each_model
def test_streamed(anthropic_client: anthropic.Anthropic, served: Any, model: str) -> None:
    raw = anthropic_client.messages.with_raw_response.create(model=model, messages=CAPITAL, stream=True, **few(model))
    events: list[Any] = list(raw.parse())
    kinds = [event.type for event in events if event.type not in ("ping", "content_block_delta")]
    assert kinds == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    assert "Paris" in "".join(event.delta.text for event in events if event.type == "content_block_delta")
    (closing,) = [event for event in events if event.type == "message_delta"]
    assert closing.delta.stop_reason == "end_turn" and 0 < closing.usage.output_tokens <= 30
    check_row(served, raw.headers, model, streamed=True)


@each_model
def test_the_stream_helper(anthropic_client: anthropic.Anthropic, model: str) -> None:
    with anthropic_client.messages.stream(model=model, messages=CAPITAL, **few(model)) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()
    (block,) = answer.content
    assert block.type == "text" and block.text == text and "Paris" in text
    assert answer.stop_reason == "end_turn" and answer.usage.input_tokens > 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_model
async def test_async(async_anthropic: anthropic.AsyncAnthropic, model: str, stream: bool) -> None:
    """This client shows its token as a bearer's."""
    if stream:
        async with async_anthropic.messages.stream(model=model, messages=CAPITAL, **few(model)) as events:
            answer: Any = await events.get_final_message()
    else:
        answer = await async_anthropic.messages.create(model=model, messages=CAPITAL, **few(model))
    assert "Paris" in answer.content[0].text


@each_model
def test_the_named_tool_is_called(anthropic_client: anthropic.Anthropic, model: str) -> None:
    choice: Any = {"type": "tool", "name": "get_time"}
    answer = anthropic_client.messages.create(
        model=model, messages=CAPITAL, tools=[WEATHER, TIME], tool_choice=choice, **few(model)
    )
    block = answer.content[-1]
    assert block.type == "tool_use" and block.name == "get_time" and isinstance(block.input, dict)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_provided
def test_stop_sequences(anthropic_client: anthropic.Anthropic, model: str, stream: bool) -> None:
    turns: Any = [{"role": "user", "content": "echo: one STOP two"}]
    given: Any = {"model": model, "messages": turns, "stop_sequences": ["STOP"], "max_tokens": 99}
    if stream:
        with anthropic_client.messages.stream(**given) as events:
            answer: Any = events.get_final_message()
    else:
        answer = anthropic_client.messages.create(**given)
    assert answer.content[0].text == "one "
    # The others do not tell which of them, nor whether it was one: OpenAI says "stop".
    told = ("stop_sequence", "STOP") if "claude" in model else ("end_turn", None)
    assert (answer.stop_reason, answer.stop_sequence) == told


@each_model
def test_an_answer_that_was_cut_for_its_length(anthropic_client: anthropic.Anthropic, model: str) -> None:
    turns: Any = [{"role": "user", "content": "Tell a long story. [[sim: tokens=200]]"}]
    answer = anthropic_client.messages.create(model=model, messages=turns, **{**few(model), "max_tokens": 8})
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 8)


@pytest.mark.parametrize("key", ["api_key", "auth_token", "x-api-key"])
@pytest.mark.parametrize("base", ["ai", "ai/v1"])
def test_10_each_base_url_and_each_way_to_show_the_token(served: Any, base: str, key: str) -> None:
    """Older versions of this SDK send `api_key` as `x-api-key`; this one sends it as a bearer's."""
    shown: Any = {key: served.token, "default_headers": {}}
    if key == "x-api-key":
        shown = {"default_headers": {"x-api-key": served.token, "authorization": anthropic.Omit()}}
    url = served.ai.removesuffix("ai") + base
    with anthropic.Anthropic(base_url=url, max_retries=0, **shown) as client:
        answer = client.messages.create(model="anthropic/claude-haiku-4.5", messages=CAPITAL, max_tokens=99)
    assert answer.content[0].text == "It is Paris."  # type: ignore[union-attr]
