"""The providers' own SDKs take the simulator for the provider."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import openai
import pytest

from isthmus.simulator import Fault, Simulator

USER: Any = [{"role": "user", "content": "hello"}]
CALLING: Any = [{"role": "user", "content": "call get_weather"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
TOOLS: Any = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]
ANTHROPIC_TOOLS: Any = [{"name": "get_weather", "input_schema": SCHEMA}]


@pytest.fixture
async def openai_client(simulator: Simulator):
    async with openai.AsyncOpenAI(base_url=simulator.openai_url, api_key="sk-x", max_retries=0) as client:
        yield client


@pytest.fixture
async def anthropic_client(simulator: Simulator):
    async with anthropic.AsyncAnthropic(base_url=simulator.anthropic_url, api_key="sk-x", max_retries=0) as client:
        yield client


async def test_chat(openai_client: Any) -> None:
    answer = await openai_client.chat.completions.create(model="gpt-4o", messages=USER)
    stream = await openai_client.chat.completions.create(
        model="gpt-4o", messages=USER, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == answer.choices[0].message.content
    assert chunks[-1].usage.total_tokens == answer.usage.total_tokens


async def test_chat_tools(openai_client: Any) -> None:
    async with openai_client.chat.completions.stream(model="gpt-4o", messages=CALLING, tools=CHAT_TOOLS) as stream:
        answer = await stream.get_final_completion()
    message = answer.choices[0].message
    call = message.tool_calls[0]
    assert call.function.name == "get_weather" and answer.choices[0].finish_reason == "tool_calls"
    result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
    sent = {"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": _plain(call.function)}]}
    after = await openai_client.chat.completions.create(
        model="gpt-4o", messages=[*CALLING, sent, result], tools=CHAT_TOOLS
    )
    assert "18 degrees" in after.choices[0].message.content


def _plain(function: Any) -> dict[str, str]:
    return {"name": function.name, "arguments": function.arguments}


async def test_responses(openai_client: Any) -> None:
    whole = await openai_client.responses.create(model="gpt-5.5", input="hello", reasoning={"summary": "auto"})
    async with openai_client.responses.stream(model="gpt-5.5", input="hello", reasoning={"summary": "auto"}) as stream:
        streamed = await stream.get_final_response()
    assert streamed.output_text == whole.output_text != ""
    assert [item.type for item in streamed.output] == ["reasoning", "message"]
    assert streamed.usage.output_tokens == whole.usage.output_tokens


async def test_responses_tools(openai_client: Any) -> None:
    first = await openai_client.responses.create(model="gpt-5.5", input="call get_weather", tools=TOOLS)
    call = first.output[-1]
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
    by_id = await openai_client.responses.create(
        model="gpt-5.5", input=[output], tools=TOOLS, previous_response_id=first.id
    )
    by_hand = await openai_client.responses.create(
        model="gpt-5.5", input=[{"role": "user", "content": "call get_weather"}, *first.output, output], tools=TOOLS
    )
    assert "18 degrees" in by_id.output_text and by_hand.output_text == by_id.output_text


async def test_messages(anthropic_client: Any) -> None:
    whole = await anthropic_client.messages.create(model="claude-haiku-4-5", max_tokens=99, messages=USER)
    async with anthropic_client.messages.stream(model="claude-haiku-4-5", max_tokens=99, messages=USER) as stream:
        streamed = await stream.get_final_message()
    assert streamed.content[0].text == whole.content[0].text
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    counted = await anthropic_client.messages.count_tokens(model="claude-haiku-4-5", messages=USER)
    assert counted.input_tokens == whole.usage.input_tokens


async def test_messages_tools_and_thinking(anthropic_client: Any) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    given: Any = {"model": "claude-haiku-4-5", "max_tokens": 2000, "tools": ANTHROPIC_TOOLS, "thinking": thinking}
    async with anthropic_client.messages.stream(messages=CALLING, **given) as stream:
        first = await stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "tool_use"] and first.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": "18 degrees"}
    messages = [*CALLING, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    after = await anthropic_client.messages.create(messages=messages, **given)
    assert "18 degrees" in after.content[-1].text


async def test_beta_messages(anthropic_client: Any) -> None:
    answer = await anthropic_client.beta.messages.create(
        model="claude-haiku-4-5",
        max_tokens=99,
        messages=USER,
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
        betas=["context-management-2025-06-27"],
    )
    assert answer.context_management.applied_edits == []


async def test_model_lists(openai_client: Any, anthropic_client: Any) -> None:
    assert "gpt-5.5" in {model.id async for model in openai_client.models.list()}
    assert "claude-opus-4-8" in {model.id async for model in anthropic_client.models.list()}


async def test_sync_clients(simulator: Simulator) -> None:
    def ask() -> tuple[str, str]:
        with openai.OpenAI(base_url=simulator.openai_url, api_key="k", max_retries=0) as client:
            one = client.chat.completions.create(model="gpt-4o", messages=USER).choices[0].message.content
        with anthropic.Anthropic(base_url=simulator.anthropic_url, api_key="k", max_retries=0) as other:
            two = other.messages.create(model="claude-haiku-4-5", max_tokens=99, messages=USER).content[0]
        return str(one), str(getattr(two, "text", ""))

    one, two = await asyncio.to_thread(ask)
    assert one == two != ""


@pytest.mark.parametrize(
    ("fault", "ours", "theirs"),
    [
        (Fault(status=429, retry_after=7), openai.RateLimitError, anthropic.RateLimitError),
        (Fault(status=500), openai.InternalServerError, anthropic.InternalServerError),
        (Fault(status=401), openai.AuthenticationError, anthropic.AuthenticationError),
        (Fault(kind="reset"), openai.APIConnectionError, anthropic.APIConnectionError),
        (Fault(error_event_after=2), openai.APIError, anthropic.APIError),
    ],
    ids=lambda value: "" if isinstance(value, type) else str(value.kind or value.status or "event"),
)
async def test_errors(fault: Fault, ours: type[Exception], theirs: type[Exception], simulator: Simulator) -> None:
    openai_client = openai.AsyncOpenAI(base_url=simulator.openai_url, api_key="sk-x", max_retries=0)
    anthropic_client = anthropic.AsyncAnthropic(base_url=simulator.anthropic_url, api_key="sk-x", max_retries=0)
    simulator.next(fault, fault)
    async with openai_client, anthropic_client:
        with pytest.raises(ours):
            async for _ in await openai_client.chat.completions.create(model="gpt-4o", messages=USER, stream=True):
                pass
        with pytest.raises(theirs):
            async for _ in await anthropic_client.messages.create(
                model="claude-haiku-4-5", max_tokens=99, messages=USER, stream=True
            ):
                pass
