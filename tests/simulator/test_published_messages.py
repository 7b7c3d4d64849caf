"""Every message and every event, over a matrix of features, is what Anthropic's published schema allows; and the
pieces of a stream add up to the whole message.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 1, "maximum": 5},
        "units": {"enum": ["metric", "imperial"]},
        "places": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
    "required": ["city", "days"],
}
STRICT = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


ANTHROPIC_TOOL = {"name": "get_weather", "description": "Weather", "input_schema": SCHEMA}
THINKING = {"type": "enabled", "budget_tokens": 1024}

MESSAGES: dict[str, dict[str, Any]] = {
    "plain": {"messages": [user("hello")], "system": "Be brief.", "metadata": {"user_id": "u"}},
    "blocks": {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hello"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
                ],
            }
        ],
    },
    "unicode": {"messages": [user("echo: ☃ 😀 é\u2028 data: [DONE]\n\nevent: x\r\n ")]},
    "empty": {"messages": [user("echo: ")]},
    "length": {"messages": [user("hello")], "max_tokens": 3},
    "nothing but the cache": {"messages": [user("hello")], "max_tokens": 0},
    "stop": {"messages": [user("echo: one two three")], "stop_sequences": [" three", "never"]},
    "prefill": {"messages": [user("hello"), {"role": "assistant", "content": "Well"}]},
    "thinking": {"messages": [user("[[sim: events=4]] hello")], "thinking": THINKING, "max_tokens": 2000},
    "hidden thinking": {
        "messages": [user("[[sim: events=4]] hello")],
        "thinking": {**THINKING, "display": "omitted"},
        "max_tokens": 2000,
    },
    "adaptive": {
        "model": "claude-opus-4-8",
        "messages": [user("[[sim: events=4]] hello")],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
    },
    "call": {"messages": [user("call get_weather")], "tools": [ANTHROPIC_TOOL]},
    "calls, text and thinking": {
        "messages": [user("[[sim: events=4]] call get_weather and call get_weather echo: Wait.")],
        "tools": [ANTHROPIC_TOOL, {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        "thinking": THINKING,
        "max_tokens": 4000,
    },
    "forced": {
        "messages": [user("hello")],
        "tools": [ANTHROPIC_TOOL],
        "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
    },
    "result": {
        "messages": [
            user("call get_weather"),
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t_1", "name": "get_weather", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t_1", "content": "18 degrees"}]},
        ],
        "tools": [ANTHROPIC_TOOL],
    },
    "json schema": {
        "messages": [user("who?")],
        "output_config": {"format": {"type": "json_schema", "schema": STRICT}},
    },
    "refusal": {"messages": [user("[[sim: refusal]]")]},
}


@pytest.mark.parametrize("beta", [False, True], ids=["", "beta"])
@pytest.mark.parametrize("name", MESSAGES)
async def test_messages(name: str, beta: bool, caller: Any, anthropic_schemas: Any) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 500, **MESSAGES[name]}
    path, prefix = ("/v1/messages?beta=true", "Beta") if beta else ("/v1/messages", "")
    anthropic_schemas.check(f"{prefix}CreateMessageParams", body)

    whole = (await caller.post(path, body)).json()
    anthropic_schemas.check(f"{prefix}Message", whole)
    reply = await caller.post(path, {**body, "stream": True})

    assert reply.complete
    events = reply.events()
    assert all(name == event["type"] for name, event in events)
    grammar = [event["type"] for _, event in events]
    assert grammar[0] == "message_start" and grammar[-2:] == ["message_delta", "message_stop"]
    for _, event in events:
        if event["type"] != "ping":
            anthropic_schemas.check(f"{prefix}MessageStreamEvent", event)
    assert folded_message([event for _, event in events]) == blank_tool_ids(whole)


def folded_message(events: list[dict[str, Any]]) -> dict[str, Any]:
    """A whole message, from its events."""
    message = events[0]["message"]
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            if delta["type"] == "input_json_delta":
                inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
            else:
                field = delta["type"].removesuffix("_delta")
                block[field] += delta[field]
    for index, text in inputs.items():
        blocks[index]["input"] = json.loads(text)
    closing = next(event for event in events if event["type"] == "message_delta")
    usage = {**message["usage"], **closing["usage"]}
    return blank_tool_ids({**message, "content": blocks, **closing["delta"], "usage": usage})


def blank_tool_ids(message: dict[str, Any]) -> dict[str, Any]:
    content = [{**block, "id": ""} if block["type"] == "tool_use" else block for block in message["content"]]
    return {**message, "id": "", "content": content}


async def test_count_tokens(caller: Any, anthropic_schemas: Any) -> None:
    body = {"model": "claude-haiku-4-5", "messages": [user("hello")], "tools": [ANTHROPIC_TOOL], "system": "Be brief."}
    anthropic_schemas.check("CountMessageTokensParams", body)
    counted = (await caller.post("/v1/messages/count_tokens", body)).json()
    anthropic_schemas.check("CountMessageTokensResponse", counted)
    beta = (await caller.post("/v1/messages/count_tokens?beta=true", body)).json()
    anthropic_schemas.check("BetaCountMessageTokensResponse", beta)
    answered = (await caller.post("/v1/messages", {**body, "max_tokens": 9})).json()
    assert counted["input_tokens"] == answered["usage"]["input_tokens"] > 10
