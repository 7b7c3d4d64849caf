"""Each rule of Messages has a request that breaks it, and Anthropic's words for that."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.simulator.anthropic.request import MessagesRequest

USER = {"role": "user", "content": "hello"}
MODEL = "claude-haiku-4-5"
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
CACHED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
THINKING = {"type": "enabled", "budget_tokens": 1024}
BRIEF = {"type": "text", "text": "x"}


def said(*blocks: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def one(block: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [said(block)]}


def picture(**source: Any) -> dict[str, Any]:
    return one({"type": "image", "source": source})


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return said(*blocks, role="assistant")


# name: (what is changed, the beginning of the message)
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"n": 2}, "n: Extra inputs are not permitted"),
    "unknown field inside": ({"messages": [{**USER, "name": "a"}]}, "messages.0.name: Extra inputs are not permitted"),
    "unknown field of a block": (
        one({**BRIEF, "detail": "low"}),
        "messages.0.content.0.text.detail: Extra inputs are not permitted",
    ),
    "no messages": ({"messages": []}, "messages: at least one message is required"),
    "role of chat": ({"messages": [USER, {"role": "tool", "content": "x"}]}, "messages.1.role: Input 'tool'"),
    "system first": ({"messages": [{"role": "system", "content": "x"}, USER]}, "messages: first message must use"),
    "assistant first": (
        {"messages": [{"role": "assistant", "content": "x"}, USER]},
        "messages: first message must use",
    ),
    "content missing": ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    "content of null": (
        {"messages": [{"role": "user", "content": None}]},
        "messages.0.content: Input should be a valid",
    ),
    "empty content": ({"messages": [{"role": "user", "content": ""}]}, "messages.0: all messages must have non-empty"),
    "no blocks": ({"messages": [said()]}, "messages.0: all messages must have non-empty content"),
    "empty text": (one({"type": "text", "text": ""}), "messages.0.content.0.text.text: String should have at least 1"),
    "blank text": (one({"type": "text", "text": " \n"}), "messages: text content blocks must contain non-whitespace"),
    "part of chat": (one({"type": "image_url", "image_url": {}}), "messages.0.content.0: Input tag 'image_url' found"),
    "limit missing": ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
    "limit below zero": ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
    "limit beyond the model": ({"max_tokens": 64_001}, "max_tokens: 64001 > 64000, which is the maximum allowed"),
    "temperature": ({"temperature": 1.5}, "temperature: Input should be less than or equal to 1"),
    "temperature of null": ({"temperature": None}, "temperature: Input should be a valid number"),
    "top_p": ({"top_p": -0.5}, "top_p: Input should be greater than or equal to 0"),
    "both samplings": ({"temperature": 0.5, "top_p": 0.5}, "`temperature` and `top_p` cannot both be specified"),
    "temperature of old": ({"model": "claude-opus-4-8", "temperature": 0.5}, "`temperature` is deprecated"),
    "top_k of old": ({"model": "claude-opus-4-8", "top_k": 5}, "`top_k` is deprecated for this model."),
    "stop of chat": ({"stop": ["x"]}, "stop: Extra inputs are not permitted"),
    "stop as text": ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
    "blank stop": ({"stop_sequences": ["\n"]}, "stop_sequences: each stop sequence must contain non-whitespace"),
    "system as a message": ({"system": {"role": "system"}}, "system: Input should be a valid string or list"),
    "empty system text": (
        {"system": [{"type": "text", "text": ""}]},
        "system.0.text.text: String should have at least",
    ),
    "metadata": ({"metadata": {"team": "x"}}, "metadata.team: Extra inputs are not permitted"),
    "user too long": ({"metadata": {"user_id": "x" * 513}}, "metadata.user_id: String should have at most 512"),
    "service tier of OpenAI": ({"service_tier": "default"}, "service_tier: Input 'default'"),
    "tool of OpenAI": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "tools.0: Input tag 'function' found using 'type'",
    ),
    "tool without a schema": ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
    "tool named badly": ({"tools": [{**TOOL, "name": "a.b"}]}, "tools.0.custom.name: String should match pattern"),
    "tool named too long": ({"tools": [{**TOOL, "name": "a" * 129}]}, "tools.0.custom.name: String should"),
    "schema of no object": (
        {"tools": [{"name": "f", "input_schema": {"type": "string"}}]},
        "tools.0.custom.input_schema.type: Input 'string'",
    ),
    "schema of no schema": (
        {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {"a": {"type": "text"}}}}]},
        "tools.0.custom.input_schema: JSON schema is invalid.",
    ),
    "strict and open": (
        {"tools": [{**TOOL, "strict": True}]},
        "tools.0.custom: In context=(), 'additionalProperties' is required",
    ),
    "one name twice": ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique."),
    "choice without tools": ({"tool_choice": {"type": "auto"}}, "tool_choice: `tool_choice` may only be specified"),
    "choice as text": ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice: Input should be a valid dictionary"),
    "choice of an unknown tool": (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}},
        "Tool 'g' not found in provided tools",
    ),
    "choice of no name": (
        {"tools": [TOOL], "tool_choice": {"type": "tool"}},
        "tool_choice.tool.name: Field required",
    ),
    "call without result": (
        {"messages": [USER, assistant(CALL), USER]},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1.",
    ),
    "call at the end": (
        {"messages": [USER, assistant(CALL)]},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1.",
    ),
    "text before the result": (
        {"messages": [USER, assistant(CALL), said(BRIEF, RESULT)]},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1.",
    ),
    "one of two results": (
        {"messages": [USER, assistant(CALL, {**CALL, "id": "t2"}), said(RESULT)]},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t2.",
    ),
    "result of nothing": (
        {"messages": [USER, {"role": "assistant", "content": "x"}, said(RESULT)]},
        "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t1.",
    ),
    "result first": (one(RESULT), "messages.0.content.0: unexpected `tool_use_id` found"),
    "result twice": (
        {"messages": [USER, assistant(CALL), said(RESULT, RESULT)]},
        "messages.2.content.1: each tool_use must have a single result.",
    ),
    "one id for two calls": (
        {"messages": [USER, assistant(CALL, CALL), said(RESULT)]},
        "messages.1: `tool_use` ids must be unique",
    ),
    "call by the user": (one(CALL), "messages.0: `tool_use` blocks can only be in `assistant` messages"),
    "result by the assistant": (
        {"messages": [USER, assistant(RESULT)]},
        "messages.1: `tool_result` blocks can only be in `user` messages",
    ),
    "id with a colon": (
        {"messages": [USER, assistant({**CALL, "id": "a:b"}), USER]},
        "messages.1.content.0.tool_use.id: String should match pattern",
    ),
    "input as text": (
        {"messages": [USER, assistant({**CALL, "input": "{}"}), said(RESULT)]},
        "messages.1.content.0.tool_use.input: Input should be a valid dictionary",
    ),
    "prefill with a blank": (
        {"messages": [USER, {"role": "assistant", "content": "Well "}]},
        "messages: final assistant content cannot end with trailing whitespace",
    ),
    "prefill of old": (
        {"model": "claude-opus-4-6", "messages": [USER, {"role": "assistant", "content": "Well"}]},
        "This model does not support assistant message prefill.",
    ),
    "five breakpoints": (one(CACHED) | {"system": [CACHED] * 4}, "A maximum of 4 blocks with cache_control"),
    "long cache after short": (
        {
            "system": [CACHED],
            "messages": [said({**BRIEF, "cache_control": {"type": "ephemeral", "ttl": "1h"}})],
        },
        "a ttl='1h' cache_control block must not come after a ttl='5m'",
    ),
    "cache of a week": (
        one({**BRIEF, "cache_control": {"type": "ephemeral", "ttl": "7d"}}),
        "messages.0.content.0.text.cache_control.ttl: Input '7d'",
    ),
    "picture of bad base64": (
        picture(type="base64", media_type="image/png", data="@@"),
        "messages.0.content.0.image.source.base64.data: invalid base64 data",
    ),
    "picture of an unknown type": (
        picture(type="base64", media_type="image/svg+xml", data="aGk="),
        "messages.0.content.0.image.source.base64.media_type: Input 'image/svg+xml'",
    ),
    "picture from plain http": (
        picture(type="url", url="http://example.com/a.png"),
        "messages.0.content.0.image.source.url.url: Only HTTPS URLs are supported.",
    ),
    "file without the beta": (
        picture(type="file", file_id="file_1"),
        "messages.0.content.0.image.source: Input tag 'file' found",
    ),
    "beta's field without the beta": (
        {"context_management": {"edits": []}},
        "context_management: Extra inputs are not permitted",
    ),
    "budget too small": (
        {"thinking": {**THINKING, "budget_tokens": 1023}},
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    "budget beyond the limit": (
        {"thinking": THINKING, "max_tokens": 1024},
        "`max_tokens` must be greater than `thinking.budget_tokens`.",
    ),
    "thinking at a temperature": (
        {"thinking": THINKING, "max_tokens": 2000, "temperature": 0.5},
        "`temperature` may only be set to 1 when thinking is enabled.",
    ),
    "thinking with top_k": ({"thinking": THINKING, "max_tokens": 2000, "top_k": 5}, "`top_k` must be unset"),
    "thinking and forced": (
        {"thinking": THINKING, "max_tokens": 2000, "tools": [TOOL], "tool_choice": {"type": "any"}},
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    "thought forgotten": (
        {
            "thinking": THINKING,
            "max_tokens": 2000,
            "tools": [TOOL],
            "messages": [USER, assistant(CALL), said(RESULT)],
        },
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
    ),
    "thought made up": (
        {"messages": [USER, assistant({"type": "thinking", "thinking": "x", "signature": "eA=="}, BRIEF), USER]},
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "budget for a model without": (
        {"model": "claude-opus-4-8", "thinking": THINKING, "max_tokens": 2000},
        '"thinking.type.enabled" is not supported for this model.',
    ),
    "adaptive for a model without": ({"thinking": {"type": "adaptive"}}, "adaptive thinking is not supported"),
    "effort for a model without": (
        {"output_config": {"effort": "low"}},
        "This model does not support the effort parameter.",
    ),
    "open format": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}},
        "output_config.format.schema: In context=(), 'additionalProperties' is required",
    ),
    "too long a prompt": (
        {"messages": [{"role": "user", "content": "word " * 200_001}]},
        "prompt is too long: ",
    ),
    "a gateway's field": ({"options": {}}, "The gateway's own field 'options'"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_rule(name: str, caller: Any, anthropic_schemas: Any) -> None:
    change, message = BROKEN[name]
    body = {"model": MODEL, "max_tokens": 100, "messages": [USER], **change}
    reply = await caller.post("/v1/messages", body)
    assert reply.status == 400, reply.body
    answer = reply.json()
    anthropic_schemas.check("ErrorResponse", answer)
    assert answer["request_id"] == reply.headers["request-id"]
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["message"].startswith(message), answer["error"]["message"]


@pytest.mark.parametrize("missing", ["model", "max_tokens", "messages"])
async def test_required_fields(missing: str, caller: Any) -> None:
    body = {"model": MODEL, "max_tokens": 100, "messages": [USER]}
    del body[missing]
    error = (await caller.post("/v1/messages", body)).json()["error"]
    assert error["message"] == f"{missing}: Field required"


async def test_consecutive_turns_of_one_role_are_one(caller: Any) -> None:
    messages = [USER, USER, assistant(BRIEF), assistant(CALL), said(RESULT), said(BRIEF)]
    reply = await caller.post("/v1/messages", {"model": MODEL, "max_tokens": 9, "messages": messages, "tools": [TOOL]})
    assert reply.status == 200, reply.body


async def test_thought_sent_back_as_it_was(caller: Any) -> None:
    body = {"model": MODEL, "max_tokens": 2000, "messages": [{"role": "user", "content": "call f"}]}
    body |= {"thinking": THINKING, "tools": [TOOL]}
    content = (await caller.post("/v1/messages", body)).json()["content"]
    assert [block["type"] for block in content] == ["thinking", "tool_use"]
    result = {**RESULT, "tool_use_id": content[1]["id"]}
    body["messages"] += [assistant(*content), said(result)]
    assert (await caller.post("/v1/messages", body)).status == 200
    content[0]["thinking"] += "!"
    reply = await caller.post("/v1/messages", body)
    assert "Invalid `signature`" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 1.0}, "temperature: Extra inputs are not permitted"),
        ({"top_p": 1.0}, "top_p: Extra inputs are not permitted"),
        ({"top_k": 0}, "top_k: Extra inputs are not permitted"),
        (
            {
                "messages": [
                    USER,
                    assistant(
                        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
                    ),
                    USER,
                ]
            },
            "messages.1.content.0: `document` blocks can only be in `user` messages",
        ),
        (one({**BRIEF, "citations": [{"type": "char_location"}]}), "messages.0.content.0.text.citations: "),
    ],
    ids=["temperature", "top_p", "top_k", "document", "citations"],
)
async def test_what_the_newest_version_took_away(change: dict[str, Any], message: str, caller: Any) -> None:
    body = {"model": MODEL, "max_tokens": 100, "messages": [USER], **change}
    headers = {"authorization": "Bearer sk-ant", "content-type": "application/json", "anthropic-version": "2026-10-21"}
    reply = await caller.post("/v1/messages", body, headers)
    assert reply.status == 400 and reply.json()["error"]["message"].startswith(message), reply.body
    older = await caller.post("/v1/messages", body, {**headers, "anthropic-version": "2023-06-01"})
    assert older.status == 200, older.body


async def test_betas_fields_with_the_beta(caller: Any) -> None:
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01", "content-type": "application/json"}
    headers["anthropic-beta"] = "context-management-2025-06-27,files-api-2025-04-14"
    body = {"model": MODEL, "max_tokens": 9, "context_management": {"edits": []}}
    body |= picture(type="file", file_id="file_1")
    reply = await caller.post("/v1/messages?beta=true", body, headers)
    assert reply.json()["context_management"] == {"applied_edits": []}


async def test_counting_takes_no_limit(caller: Any) -> None:
    body = {"model": MODEL, "messages": [USER], "max_tokens": 5}
    reply = await caller.post("/v1/messages/count_tokens", body)
    assert reply.json()["error"]["message"] == "max_tokens: Extra inputs are not permitted"


async def test_unknown_model(caller: Any, anthropic_schemas: Any) -> None:
    reply = await caller.post("/v1/messages", {"model": "claude-9", "max_tokens": 9, "messages": [USER]})
    anthropic_schemas.check("ErrorResponse", reply.json())
    assert (reply.status, reply.json()["error"]) == (404, {"type": "not_found_error", "message": "model: claude-9"})


def test_every_published_field_is_known(anthropic_schemas: Any) -> None:
    known = set(MessagesRequest.__struct_fields__)
    properties: set[str] = set()
    for name in ("CreateMessageParams", "BetaCreateMessageParams"):
        properties |= set(anthropic_schemas.schema(name)["properties"])
    assert properties <= known
    assert known - properties == {"fallbacks", "compaction", "thread", "workspace_id"}  # newer than the document
