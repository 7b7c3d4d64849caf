"""Every answer and every event, over a matrix of features, is what the provider's published schema allows; and the
pieces of a stream add up to the whole answer. OpenAI's dialects; Anthropic's has a file of its own.
"""

from __future__ import annotations

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


CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": SCHEMA}}
CHAT_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
CHAT_CUSTOM = {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}

CHAT: dict[str, dict[str, Any]] = {
    "plain": {"messages": [user("hello")]},
    "system and developer": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            user("hello"),
        ]
    },
    "unicode": {"messages": [user("echo: ☃ 😀 é\u2028 data: [DONE]\n\nevent: x\r\n\0 ")]},
    "empty": {"messages": [user("echo: ")]},
    "picture": {"messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, PICTURE]}]},
    "length": {"messages": [user("hello")], "max_tokens": 3},
    "stop": {"messages": [user("echo: one two three")], "stop": [" three", "never"]},
    "logprobs": {"messages": [user("hello")], "logprobs": True, "top_logprobs": 3},
    "choices": {"messages": [user("hello")], "n": 3, "service_tier": "priority"},
    "reasoning": {"model": "gpt-5.5", "messages": [user("hello")], "reasoning_effort": "high", "verbosity": "low"},
    "call": {"messages": [user("call get_weather")], "tools": [CHAT_TOOL]},
    "call and text": {"messages": [user("call get_weather echo: Let me look.")], "tools": [CHAT_TOOL]},
    "two calls": {"messages": [user("call get_weather and call get_weather")], "tools": [CHAT_TOOL]},
    "forced": {
        "messages": [user("hello")],
        "tools": [CHAT_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    },
    "result": {
        "messages": [
            user("call get_weather"),
            {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
        ],
        "tools": [CHAT_TOOL],
    },
    "json schema": {
        "messages": [user("who?")],
        "response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": STRICT, "strict": True}},
    },
    "json object": {"messages": [user("as json please")], "response_format": {"type": "json_object"}},
    "refusal": {"messages": [user("[[sim: refusal]]")]},
    "content filter": {"messages": [user("[[sim: content_filter]]")]},
    "few events": {"messages": [user("[[sim: events=2]] hello")]},
}


@pytest.mark.parametrize("name", CHAT)
async def test_chat(name: str, caller: Any, openai_schemas: Any) -> None:
    body = {"model": "gpt-4o", **CHAT[name]}
    openai_schemas.check("CreateChatCompletionRequest", body)

    whole = (await caller.post("/v1/chat/completions", body)).json()
    openai_schemas.check("CreateChatCompletionResponse", whole)
    reply = await caller.post(
        "/v1/chat/completions", {**body, "stream": True, "stream_options": {"include_usage": True}}
    )

    assert reply.complete
    *events, done = reply.events()
    assert done == ("", "[DONE]")
    for _, chunk in events:
        openai_schemas.check("CreateChatCompletionStreamResponse", chunk)
    *chunks, last = [chunk for _, chunk in events]
    assert last["choices"] == [] and last["usage"] == whole["usage"]
    assert all(chunk["usage"] is None for chunk in chunks)
    assert len({chunk["id"] for chunk in chunks}) == 1
    for index, choice in enumerate(whole["choices"]):
        parts = [part for chunk in chunks for part in chunk["choices"] if part["index"] == index]
        assert folded_choice(parts) == without_ids(choice)


def folded_choice(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A whole choice, from the parts of its chunks."""
    message: dict[str, Any] = {"role": parts[0]["delta"]["role"], "content": None, "refusal": None, "annotations": []}
    rows: dict[str, list[Any]] = {}
    for part in parts:
        for field in ("content", "refusal"):
            if part["delta"].get(field) is not None:
                message[field] = (message[field] or "") + part["delta"][field]
        for call in part["delta"].get("tool_calls", ()):
            calls = message.setdefault("tool_calls", [])
            if call["index"] == len(calls):
                assert call["id"].startswith("call_")
                calls.append({"type": call["type"], "function": dict(call["function"])})
            else:
                calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
        for field, found in (part["logprobs"] or {}).items():
            rows.setdefault(field, []).extend(found or ())
    finishes = [part["finish_reason"] for part in parts]
    assert finishes[:-1] == [None] * (len(parts) - 1)
    tokens = [row["token"] for row in rows["content"]] if rows.get("content") else None
    return {"index": parts[0]["index"], "message": message, "finish_reason": finishes[-1], "tokens": tokens}


def without_ids(choice: dict[str, Any]) -> dict[str, Any]:
    message = dict(choice["message"])
    if "tool_calls" in message:
        message["tool_calls"] = [{k: v for k, v in call.items() if k != "id"} for call in message["tool_calls"]]
    tokens = [row["token"] for row in choice["logprobs"]["content"]] if choice["logprobs"] else None
    return {
        "index": choice["index"],
        "message": message,
        "finish_reason": choice["finish_reason"],
        "tokens": tokens,
    }


async def test_custom_tool_in_chat(caller: Any, openai_schemas: Any) -> None:
    body = {"model": "gpt-5.5", "messages": [user("call shell")], "tools": [CHAT_CUSTOM]}
    openai_schemas.check("CreateChatCompletionRequest", body)
    answer = (await caller.post("/v1/chat/completions", body)).json()
    openai_schemas.check("CreateChatCompletionResponse", answer)
    call = answer["choices"][0]["message"]["tool_calls"][0]
    assert call["type"] == "custom" and call["custom"]["input"]


async def test_allowed_tools_narrow_the_choice(caller: Any) -> None:
    other = {"type": "function", "function": {"name": "other"}}
    choice = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "other"}}]},
    }
    body = {"model": "gpt-4o", "messages": [user("hi")], "tools": [CHAT_TOOL, other], "tool_choice": choice}
    answer = (await caller.post("/v1/chat/completions", body)).json()
    names = [call["function"]["name"] for call in answer["choices"][0]["message"]["tool_calls"]]
    assert names == ["other"]


TOOL = {"type": "function", "name": "get_weather", "description": "Weather", "parameters": SCHEMA, "strict": False}
CUSTOM = {"type": "custom", "name": "shell"}
CALLED = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}

RESPONSES: dict[str, dict[str, Any]] = {
    "plain": {"input": "hello", "instructions": "Be brief."},
    "items": {
        "input": [
            {"role": "developer", "content": "Be kind."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
        ],
        "store": False,
        "metadata": {"a": "b"},
        "user": "u",
        "prompt_cache_key": "k",
    },
    "picture": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
                ],
            }
        ]
    },
    "unicode": {"input": "echo: ☃ 😀 é\u2028 data: [DONE]\n\nevent: x\r\n "},
    "empty": {"input": "echo: "},
    "length": {"input": "[[sim: tokens=200]] hello", "max_output_tokens": 16},
    "reasoning": {"model": "gpt-5.5", "input": "hello"},
    "summary": {
        "model": "gpt-5.5",
        "input": "hello",
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    },
    "no room but for thought": {"model": "gpt-5.5", "input": "[[sim: tokens=99]]", "max_output_tokens": 16},
    "logprobs": {"input": "hello", "include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "call": {"input": "call get_weather", "tools": [TOOL]},
    "calls and text": {"input": "call get_weather and call shell echo: Wait.", "tools": [TOOL, CUSTOM]},
    "required": {"input": "hello", "tools": [TOOL, {"type": "web_search"}], "tool_choice": "required"},
    "named": {"input": "hello", "tools": [TOOL], "tool_choice": {"type": "function", "name": "get_weather"}},
    "result": {
        "input": [
            user("call get_weather"),
            CALLED,
            {"type": "function_call_output", "call_id": "call_1", "output": "18 degrees"},
        ],
        "tools": [TOOL],
    },
    "json schema": {
        "input": "who?",
        "text": {"format": {"type": "json_schema", "name": "p", "schema": STRICT, "strict": True}},
    },
    "json object": {"input": "as json", "text": {"format": {"type": "json_object"}, "verbosity": "low"}},
    "refusal": {"input": "[[sim: refusal]]"},
    "content filter": {"input": "[[sim: content_filter]]"},
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_responses(name: str, caller: Any, openai_schemas: Any) -> None:
    body = {"model": "gpt-4o", **RESPONSES[name]}
    openai_schemas.check("CreateResponse", {k: v for k, v in body.items() if k != "input"})

    whole = (await caller.post("/v1/responses", body)).json()
    openai_schemas.check("Response", whole)
    reply = await caller.post("/v1/responses", {**body, "stream": True})

    assert reply.complete
    events = reply.events()
    for number, (event_name, event) in enumerate(events):
        openai_schemas.check(EVENT_SCHEMAS[event["type"]], event)
        assert event_name == event["type"] and event["sequence_number"] == number
    assert [event["type"] for _, event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1][1]["response"]
    assert {**blank_ids(last), "id": ""} == {**blank_ids(whole), "id": ""}
    assert [event["item"] for _, event in events if event["type"] == "response.output_item.done"] == last["output"]
    deltas = "".join(e["delta"] for _, e in events if e["type"].endswith((".delta",)) and "reasoning" not in e["type"])
    assert deltas == "".join(said(item) for item in last["output"])
    thoughts = "".join(e["delta"] for _, e in events if e["type"] == "response.reasoning_summary_text.delta")
    assert thoughts == "".join(part["text"] for item in last["output"] for part in item.get("summary", ()))


def _event_schemas() -> dict[str, str]:
    plain = {
        "created": "Created",
        "in_progress": "InProgress",
        "completed": "Completed",
        "incomplete": "Incomplete",
        "failed": "Failed",
        "output_item.added": "OutputItemAdded",
        "output_item.done": "OutputItemDone",
        "content_part.added": "ContentPartAdded",
        "content_part.done": "ContentPartDone",
        "output_text.delta": "TextDelta",
        "output_text.done": "TextDone",
        "refusal.delta": "RefusalDelta",
        "refusal.done": "RefusalDone",
        "function_call_arguments.delta": "FunctionCallArgumentsDelta",
        "function_call_arguments.done": "FunctionCallArgumentsDone",
        "custom_tool_call_input.delta": "CustomToolCallInputDelta",
        "custom_tool_call_input.done": "CustomToolCallInputDone",
        "reasoning_summary_part.added": "ReasoningSummaryPartAdded",
        "reasoning_summary_part.done": "ReasoningSummaryPartDone",
        "reasoning_summary_text.delta": "ReasoningSummaryTextDelta",
        "reasoning_summary_text.done": "ReasoningSummaryTextDone",
    }
    return {f"response.{name}": f"Response{schema}Event" for name, schema in plain.items()} | {
        "error": "ResponseErrorEvent"
    }


EVENT_SCHEMAS = _event_schemas()


def blank_ids(response: dict[str, Any]) -> dict[str, Any]:
    """Without what differs between two answers to the same question: ids, and made-up probabilities."""
    output = [{k: v for k, v in item.items() if k not in ("id", "call_id")} for item in response["output"]]
    for item in output:
        if "content" in item:
            item["content"] = [
                {**part, "logprobs": [row["token"] for row in part.get("logprobs", ())]} for part in item["content"]
            ]
    return {**response, "output": output}


def said(item: dict[str, Any]) -> str:
    if item["type"] == "message":
        return "".join(part.get("text", part.get("refusal")) for part in item["content"])
    return str(item.get("arguments", item.get("input", "")))


async def test_model_lists(caller: Any, openai_schemas: Any, anthropic_schemas: Any) -> None:
    ours = (await caller.post("/v1/models", b"", method="GET")).json()
    openai_schemas.check("ListModelsResponse", ours)
    assert "gpt-5.5" in {row["id"] for row in ours["data"]}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    theirs = (await caller.post("/v1/models?limit=1000", b"", headers, method="GET")).json()
    anthropic_schemas.check("ListResponse_ModelInfo_", theirs)
    assert "claude-haiku-4-5-20251001" in {row["id"] for row in theirs["data"]}
