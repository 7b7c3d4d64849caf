"""Each rule of Responses has a request that breaks it, and OpenAI's words for that."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.simulator import Simulator
from isthmus.simulator.openai.responses_request import ResponsesRequest

USER = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "x"}
CUSTOM_CALL = {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": "x"}
OPEN_OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def picture(url: str | None) -> dict[str, Any]:
    part = {"type": "input_image"} if url is None else {"type": "input_image", "image_url": url}
    return {"input": [{"role": "user", "content": [part]}]}


# name: (what is changed, param, code)
BROKEN: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "unknown field": ({"top_k": 5}, "top_k", "unknown_parameter"),
    "chat's messages": ({"messages": [USER]}, "messages", "unsupported_parameter"),
    "chat's max_tokens": ({"max_tokens": 99}, "max_tokens", "unsupported_parameter"),
    "chat's response_format": ({"response_format": {}}, "response_format", "unsupported_parameter"),
    "chat's stop": ({"stop": "x"}, "stop", "unknown_parameter"),
    "input of null": ({"input": None}, "input", "invalid_type"),
    "input of an object": ({"input": USER}, "input", "invalid_type"),
    "item of text": ({"input": ["hello"]}, "input[0]", "invalid_type"),
    "item unknown": ({"input": [{"type": "poem"}]}, "input[0].type", "invalid_value"),
    "role unknown": ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "invalid_value"),
    "field of chat": ({"input": [{**USER, "name": "ada"}]}, "input[0].name", "unknown_parameter"),
    "part of chat": (
        {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        "input[0].content[0].type",
        "invalid_value",
    ),
    "user's text as output": (
        {"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]},
        "input[0].content[0].type",
        "invalid_value",
    ),
    "assistant's text as input": (
        {"input": [USER, {"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
        "input[1].content[0].type",
        "invalid_value",
    ),
    "tool calls of chat": (
        {"input": [USER, {"role": "assistant", "content": "x", "tool_calls": []}]},
        "input[1].tool_calls",
        "unknown_parameter",
    ),
    "too few output tokens": ({"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value"),
    "too many output tokens": ({"max_output_tokens": 99_999}, "max_output_tokens", "invalid_value"),
    "temperature": ({"temperature": 3}, "temperature", "decimal_above_max_value"),
    "stream_options without a stream": ({"stream_options": {"include_obfuscation": True}}, "stream_options", None),
    "stream option of chat": (
        {"stream": True, "stream_options": {"include_usage": True}},
        "stream_options.include_usage",
        "unknown_parameter",
    ),
    "include unknown": ({"include": ["everything"]}, "include[0]", "invalid_value"),
    "output of no call": ({"input": [USER, OUTPUT]}, "input", None),
    "call of no output": ({"input": [USER, CALL]}, "input", None),
    "custom output for a function": (
        {"input": [USER, CALL, {**OUTPUT, "type": "custom_tool_call_output"}]},
        "input",
        None,
    ),
    "custom call of no output": ({"input": [USER, CUSTOM_CALL]}, "input", None),
    "id of a message": (
        {"input": [USER, {"type": "message", "role": "assistant", "id": "abc", "content": "x"}]},
        "input[1].id",
        "invalid_value",
    ),
    "id of a call": ({"input": [USER, {**CALL, "id": "call_1"}, OUTPUT]}, "input[1].id", "invalid_value"),
    "call without an id": (
        {"input": [USER, {"type": "function_call", "name": "f", "arguments": "{}"}]},
        "input[1].call_id",
        "missing_required_parameter",
    ),
    "encrypted content of another": (
        {"model": "gpt-5", "input": [{"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}, USER]},
        None,
        "invalid_encrypted_content",
    ),
    "nested tool": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "tools[0].function",
        "unknown_parameter",
    ),
    "tool without parameters": (
        {"tools": [{"type": "function", "name": "f"}]},
        "tools[0].parameters",
        "missing_required_parameter",
    ),
    "tool unknown": ({"tools": [{"type": "magic"}]}, "tools[0].type", "invalid_value"),
    "tool of images with a model of no name": (
        {"tools": [{"type": "image_generation", "model": False}]},
        "tools[0].model",
        "invalid_type",
    ),
    "tool of images of a quality unknown": (
        {"tools": [{"type": "image_generation", "quality": "x"}]},
        "tools[0].quality",
        "invalid_value",
    ),
    "tool without a type": ({"tools": [{"name": "f"}]}, "tools[0].type", "missing_required_parameter"),
    "tool named badly": ({"tools": [{**TOOL, "name": "a b"}]}, "tools[0].name", "invalid_value"),
    "strict with an open object": (
        {"tools": [{**TOOL, "parameters": OPEN_OBJECT, "strict": True}]},
        "tools[0].parameters",
        "invalid_function_parameters",
    ),
    "choice without tools": ({"tool_choice": "required"}, "tool_choice", None),
    "choice of an unknown tool": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}},
        "tool_choice",
        None,
    ),
    "choice of no name": (
        {"tools": [TOOL], "tool_choice": {"type": "function"}},
        "tool_choice.name",
        "missing_required_parameter",
    ),
    "choice of chat": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        "tool_choice.function",
        "unknown_parameter",
    ),
    "choice unknown": ({"tools": [TOOL], "tool_choice": {"type": "any"}}, "tool_choice.type", "invalid_value"),
    "choice of what runs elsewhere": (
        {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}},
        "tool_choice",
        None,
    ),
    "format of chat": (
        {"text": {"format": {"type": "json_schema", "json_schema": {}}}},
        "text.format.json_schema",
        "unknown_parameter",
    ),
    "strict schema of an open object": (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": OPEN_OBJECT, "strict": True}}},
        "text.format.schema",
        "invalid_json_schema",
    ),
    "json not named": ({"text": {"format": {"type": "json_object"}}}, "input", None),
    "picture of no address": (picture("a.png"), "input[0].content[0].image_url", "invalid_value"),
    "picture of nothing": (picture(None), "input[0].content[0].image_url", "missing_required_parameter"),
    "effort for a model without": (
        {"reasoning": {"effort": "low"}},
        "reasoning.effort",
        "unsupported_parameter",
    ),
    "summary for a model without": (
        {"reasoning": {"summary": "auto"}},
        "reasoning.summary",
        "unsupported_parameter",
    ),
    "encryption for a model without": ({"include": ["reasoning.encrypted_content"]}, "include", None),
    "temperature while reasoning": ({"model": "gpt-5", "temperature": 0}, "temperature", "unsupported_value"),
    "response never stored": (
        {"previous_response_id": "resp_0"},
        "previous_response_id",
        "previous_response_not_found",
    ),
    "two pasts": (
        {"previous_response_id": "resp_0", "conversation": "conv_0"},
        "previous_response_id",
        "mutually_exclusive_parameters",
    ),
    "background": ({"background": True}, "background", None),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_rule(name: str, caller: Any, openai_schemas: Any) -> None:
    change, param, code = BROKEN[name]
    reply = await caller.post("/v1/responses", {"model": "gpt-4o", "input": "hello", **change})
    assert reply.status == 400, reply.body
    openai_schemas.check("ErrorResponse", reply.json())
    error = reply.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code), error


async def test_input_is_required(caller: Any) -> None:
    error = (await caller.post("/v1/responses", {"model": "gpt-4o"})).json()["error"]
    assert error["message"] == "Missing required parameter: 'input'."


@pytest.mark.parametrize(
    "change",
    [{"conversation": "conv_0"}, {"prompt": {"id": "pmpt_0"}}, {"input": [{"type": "item_reference", "id": "msg_0"}]}],
    ids=["conversation", "prompt", "item"],
)
async def test_what_is_not_there(change: dict[str, Any], caller: Any) -> None:
    reply = await caller.post("/v1/responses", {"model": "gpt-4o", "input": "hello", **change})
    assert reply.status == 404 and "not found" in reply.json()["error"]["message"]


async def test_reasoning_needs_what_it_led_to(caller: Any) -> None:
    body = {"model": "gpt-5", "input": "hello", "include": ["reasoning.encrypted_content"], "store": False}
    thought, message = (await caller.post("/v1/responses", body)).json()["output"]
    again = {"role": "user", "content": "and then?"}
    good = await caller.post("/v1/responses", {**body, "input": [USER, thought, message, again]})
    assert good.status == 200, good.body
    bad = await caller.post("/v1/responses", {**body, "input": [USER, thought, again]})
    assert "without its required following item" in bad.json()["error"]["message"]


async def test_unstored_items_are_not_found(caller: Any) -> None:
    body = {"model": "gpt-5", "input": "hello", "store": False}
    thought, message = (await caller.post("/v1/responses", body)).json()["output"]
    reply = await caller.post("/v1/responses", {**body, "input": [USER, thought, message, USER]})
    assert reply.status == 404 and thought["id"] in reply.json()["error"]["message"]


async def test_stored_response_goes_on(caller: Any) -> None:
    tools = [{**TOOL, "strict": False}]
    first = (await caller.post("/v1/responses", {"model": "gpt-5", "input": "call f", "tools": tools})).json()
    call = first["output"][-1]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"}
    body = {"model": "gpt-5", "input": [output], "tools": tools, "previous_response_id": first["id"]}
    second = (await caller.post("/v1/responses", body)).json()
    assert "18 degrees" in second["output"][-1]["content"][0]["text"]
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]
    reply = await caller.post("/v1/responses", {**body, "input": [{**output, "call_id": "other"}]})
    assert reply.status == 400


async def test_allowed_tools(caller: Any) -> None:
    other = {**TOOL, "name": "g"}
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    body = {"model": "gpt-4o", "input": "hello", "tools": [TOOL, other], "tool_choice": choice}
    answer = (await caller.post("/v1/responses", body)).json()
    assert [item["name"] for item in answer["output"]] == ["g"]
    choice["tools"][0]["name"] = "h"
    assert (await caller.post("/v1/responses", body)).status == 400


async def test_items_of_hosted_tools_pass(simulator: Simulator, caller: Any) -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    body = {"model": "gpt-4o", "input": [USER, search, {"role": "assistant", "content": "found"}, USER]}
    assert (await caller.post("/v1/responses", body)).status == 200


def test_every_published_field_is_known(openai_schemas: Any) -> None:
    known = set(ResponsesRequest.__struct_fields__)
    properties: set[str] = set()
    for name in ("CreateResponse", "CreateModelResponseProperties", "ResponseProperties", "ModelResponseProperties"):
        for part in openai_schemas.schema(name).get("allOf", [openai_schemas.schema(name)]):
            properties |= set(part.get("properties", ()))
    assert properties <= known
    newer = {"access_programs", "background_options", "client_metadata", "image", "moderation", "prompt_cache_options"}
    assert known - properties == newer
