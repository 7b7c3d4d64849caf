"""Each rule of Chat Completions has a request that breaks it, and OpenAI's words for that."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.simulator.openai.chat_request import ChatRequest

MESSAGES = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASSISTANT = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "x"}
OPEN_OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
LOOSE_OBJECT = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": [],
    "additionalProperties": False,
}


def function(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": "f", **fields}}]}


def picture(url: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}


def schema(name: str = "n", **fields: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": name, **fields}}}


# name: (what is changed, param, code)
BROKEN: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "unknown field": ({"top_k": 5}, "top_k", "unknown_parameter"),
    "unknown field inside": ({"messages": [{**MESSAGES[0], "x": 1}]}, "messages[0].x", "unknown_parameter"),
    "no messages": ({"messages": []}, "messages", "empty_array"),
    "messages of null": ({"messages": None}, "messages", "invalid_type"),
    "content of a number": ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "invalid_type"),
    "unknown role": ({"messages": [{"role": "bot", "content": "x"}]}, "messages[0].role", "invalid_value"),
    "no role": ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
    "name with a blank": ({"messages": [{**MESSAGES[0], "name": "a b"}]}, "messages[0].name", "invalid_value"),
    "empty parts": ({"messages": [{"role": "user", "content": []}]}, "messages[0].content", "empty_array"),
    "unknown part": (
        {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
        "messages[0].content[0].type",
        "invalid_value",
    ),
    "picture in a system message": (
        {"messages": [{"role": "system", "content": picture("https://e.com/a.png")["messages"][0]["content"]}]},
        "messages[0].content[0].type",
        "invalid_value",
    ),
    "temperature too high": ({"temperature": 2.5}, "temperature", "decimal_above_max_value"),
    "temperature too low": ({"temperature": -1}, "temperature", "decimal_below_min_value"),
    "temperature as text": ({"temperature": "1"}, "temperature", "invalid_type"),
    "top_p": ({"top_p": 1.1}, "top_p", "decimal_above_max_value"),
    "penalty": ({"presence_penalty": 3}, "presence_penalty", "decimal_above_max_value"),
    "n of none": ({"n": 0}, "n", "integer_below_min_value"),
    "n of too many": ({"n": 129}, "n", "integer_above_max_value"),
    "max_tokens of none": ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    "max_tokens as a fraction": ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
    "max_tokens beyond the model": ({"max_tokens": 20_000}, "max_tokens", "invalid_value"),
    "both limits": (
        {"max_tokens": 9, "max_completion_tokens": 9},
        None,
        "invalid_parameter_combination",
    ),
    "five stops": ({"stop": list("abcde")}, "stop", "array_above_max_length"),
    "stream as text": ({"stream": "true"}, "stream", "invalid_type"),
    "stream_options without a stream": ({"stream_options": {"include_usage": True}}, "stream_options", None),
    "unknown stream option": ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x", "unknown_parameter"),
    "top_logprobs alone": ({"top_logprobs": 2}, "top_logprobs", None),
    "too many top_logprobs": ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    "logit bias out of range": ({"logit_bias": {"5": 101}}, "logit_bias", "integer_above_max_value"),
    "tools of null": ({"tools": None}, "tools", "invalid_type"),
    "no tools": ({"tools": []}, "tools", "empty_array"),
    "too many tools": ({"tools": [TOOL] * 129}, "tools", "array_above_max_length"),
    "tool without a type": ({"tools": [{"function": {"name": "f"}}]}, "tools[0].type", "missing_required_parameter"),
    "flat tool": ({"tools": [{"type": "function", "name": "f"}]}, "tools[0].name", "unknown_parameter"),
    "tool name with a dot": (
        {"tools": [{"type": "function", "function": {"name": "a.b"}}]},
        "tools[0].function.name",
        "invalid_value",
    ),
    "tool name too long": (
        {"tools": [{"type": "function", "function": {"name": "a" * 65}}]},
        "tools[0].function.name",
        "string_above_max_length",
    ),
    "parameters of no object": (
        function(parameters={"type": "string"}),
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    "parameters of no schema": (
        function(parameters={"type": "object", "properties": {"a": {"type": "text"}}}),
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    "strict with an open object": (
        function(parameters=OPEN_OBJECT, strict=True),
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    "strict with an optional property": (
        function(parameters=LOOSE_OBJECT, strict=True),
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    "choice without tools": ({"tool_choice": "auto"}, "tool_choice", None),
    "parallel without tools": ({"parallel_tool_calls": True}, "parallel_tool_calls", None),
    "choice of an unknown tool": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice",
        "invalid_value",
    ),
    "choice in Anthropic's form": (
        {"tools": [TOOL], "tool_choice": {"type": "any"}},
        "tool_choice.type",
        "invalid_value",
    ),
    "result of nothing": ({"messages": [*MESSAGES, RESULT]}, "messages.[1].role", None),
    "call without result": ({"messages": [*MESSAGES, ASSISTANT]}, "messages.[1].role", None),
    "call answered too late": ({"messages": [*MESSAGES, ASSISTANT, *MESSAGES, RESULT]}, "messages.[1].role", None),
    "result with another id": (
        {"messages": [*MESSAGES, ASSISTANT, {**RESULT, "tool_call_id": "c2"}]},
        "messages.[2].tool_call_id",
        None,
    ),
    "one id for two calls": (
        {"messages": [*MESSAGES, {**ASSISTANT, "tool_calls": [CALL, CALL]}, RESULT]},
        "messages.[1].tool_calls",
        None,
    ),
    "assistant says nothing": (
        {"messages": [*MESSAGES, {"role": "assistant", "content": None}]},
        "messages.[1].content",
        None,
    ),
    "arguments as an object": (
        {
            "messages": [
                *MESSAGES,
                {**ASSISTANT, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]},
                RESULT,
            ]
        },
        "messages[1].tool_calls[0].function.arguments",
        "invalid_type",
    ),
    "schema without a name": (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": OPEN_OBJECT}}},
        "response_format.json_schema.name",
        "missing_required_parameter",
    ),
    "schema with a bad name": (
        schema("a b", schema=OPEN_OBJECT),
        "response_format.json_schema.name",
        "invalid_value",
    ),
    "strict schema of an open object": (
        schema(schema=OPEN_OBJECT, strict=True),
        "response_format",
        "invalid_json_schema",
    ),
    "bare schema": ({"response_format": {"type": "object"}}, "response_format.type", "invalid_value"),
    "json not named": ({"response_format": {"type": "json_object"}}, "messages", None),
    "picture of no address": (picture("picture.png"), "messages[0].content[0].image_url.url", "invalid_value"),
    "picture of bad base64": (
        picture("data:image/png;base64,@@@"),
        "messages[0].content[0].image_url.url",
        "invalid_base64",
    ),
    "picture of text": (
        picture("data:text/plain;base64,aGk="),
        "messages[0].content[0].image_url.url",
        "invalid_image_format",
    ),
    "detail unknown": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "max"}}],
                }
            ]
        },
        "messages[0].content[0].image_url.detail",
        "invalid_value",
    ),
    "audio": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}],
                }
            ]
        },
        "messages[0].content[0]",
        "unsupported_content",
    ),
    "file of nothing": (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf"}}]}]},
        "messages[0].content[0].file.file_id",
        "missing_required_parameter",
    ),
    "effort for a model without": ({"reasoning_effort": "low"}, "reasoning_effort", "unsupported_parameter"),
    "unknown effort": ({"model": "gpt-5", "reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
    "effort this model lacks": (
        {"model": "gpt-5", "reasoning_effort": "none"},
        "reasoning_effort",
        "unsupported_value",
    ),
    "max_tokens of old": ({"model": "o4-mini", "max_tokens": 9}, "max_tokens", "unsupported_parameter"),
    "temperature while reasoning": ({"model": "gpt-5", "temperature": 0.5}, "temperature", "unsupported_value"),
    "logprobs while reasoning": ({"model": "gpt-5", "logprobs": True}, "logprobs", "unsupported_parameter"),
    "stop while reasoning": ({"model": "o3", "stop": "x"}, "stop", "unsupported_parameter"),
    "voice": ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
    "metadata of numbers": ({"metadata": {"a": 1}}, "metadata", "invalid_type"),
    "metadata too long": ({"metadata": {"a": "x" * 513}}, "metadata", "string_above_max_length"),
    "metadata of too many": (
        {"metadata": {str(index): "x" for index in range(17)}},
        "metadata",
        "object_above_max_properties",
    ),
    "service tier unknown": ({"service_tier": "standard_only"}, "service_tier", "invalid_value"),
    "identifier too long": ({"safety_identifier": "x" * 65}, "safety_identifier", "string_above_max_length"),
    "too long a prompt": (
        {"messages": [{"role": "user", "content": "word " * 130_000}]},
        "messages",
        "context_length_exceeded",
    ),
    "a gateway's field": ({"options": {"rejectIfBusy": True}}, "options", "unknown_parameter"),
    "another of a gateway's fields": ({"gateway": {"id": "x"}}, "gateway", "unknown_parameter"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_rule(name: str, caller: Any, openai_schemas: Any) -> None:
    change, param, code = BROKEN[name]
    reply = await caller.post("/v1/chat/completions", {"model": "gpt-4o", "messages": MESSAGES, **change})
    assert reply.status == 400, reply.body
    openai_schemas.check("ErrorResponse", reply.json())
    error = reply.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code), error


async def test_words_of_an_error(caller: Any) -> None:
    body = {"model": "gpt-4o", "messages": MESSAGES, "temperature": 2.5}
    error = (await caller.post("/v1/chat/completions", body)).json()["error"]
    assert error["message"] == (
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead."
    )


async def test_required_fields(caller: Any) -> None:
    for name, body in (("model", {"messages": MESSAGES}), ("messages", {"model": "gpt-4o"})):
        error = (await caller.post("/v1/chat/completions", body)).json()["error"]
        assert error["message"] == f"Missing required parameter: '{name}'."


async def test_two_results_in_any_order_are_sound(caller: Any) -> None:
    calls = [CALL, {**CALL, "id": "c2"}]
    results = [{**RESULT, "tool_call_id": "c2"}, RESULT]
    body = {"model": "gpt-4o", "messages": [*MESSAGES, {**ASSISTANT, "tool_calls": calls}, *results, *MESSAGES]}
    assert (await caller.post("/v1/chat/completions", body)).status == 200


async def test_sampling_is_free_without_reasoning(caller: Any) -> None:
    body = {"model": "gpt-5.1", "messages": MESSAGES, "temperature": 0.2, "reasoning_effort": "none"}
    assert (await caller.post("/v1/chat/completions", body)).status == 200


async def test_unknown_model(caller: Any) -> None:
    reply = await caller.post("/v1/chat/completions", {"model": "gpt-99", "messages": MESSAGES})
    assert reply.status == 404 and reply.json()["error"]["code"] == "model_not_found"


def test_every_published_field_is_known(openai_schemas: Any) -> None:
    known = set(ChatRequest.__struct_fields__)
    properties: set[str] = set()
    for name in ("CreateChatCompletionRequest", "CreateModelResponseProperties", "ModelResponseProperties"):
        for part in openai_schemas.schema(name).get("allOf", [openai_schemas.schema(name)]):
            properties |= set(part.get("properties", ()))
    assert properties <= known
    assert known - properties == {"moderation", "prompt_cache_options"}  # newer than the document
