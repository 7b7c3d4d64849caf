"""Each rule of Chat v2 has a request that breaks it, and Cohere's status and words for that."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from isthmus.simulator import Model
from isthmus.simulator.exchange import Answer, World
from isthmus.simulator.models import catalogue
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.routes import respond

MODEL = "command-a-03-2025"
VISION = {"model": "command-a-vision-07-2025"}
USER = {"role": "user", "content": "hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "x"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def called(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": list(calls)}


def tool(**changes: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, **changes}}]}


def picture(url: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}


def json_schema(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_object", "json_schema": schema}}


# name: (what is changed, the status, the beginning of the message)
BROKEN: dict[str, tuple[dict[str, Any], int, str]] = {
    "field of chat": ({"top_p": 0.5}, 422, "unknown field: parameter 'top_p' is not a valid field. For proper usage,"),
    "strict of chat": (tool(strict=True), 422, "unknown field: parameter 'strict' is not a valid field."),
    "name of a user": ({"messages": [{**USER, "name": "a"}]}, 422, "unknown field: parameter 'name' is not a valid"),
    "text for a number": (
        {"max_tokens": "9"},
        422,
        "invalid type: parameter 'max_tokens' is of type string but should be of type integer.",
    ),
    "number for text": (
        {"messages": [{"role": "user", "content": 5}]},
        422,
        "invalid type: parameter 'messages[0].content' is of type integer but should be of type string or array.",
    ),
    "object for content": (
        {"messages": [{"role": "user", "content": {"type": "text", "text": "x"}}]},
        422,
        "invalid type: parameter 'messages[0].content' is of type object",
    ),
    "no model": ({"model": None}, 422, "invalid type: parameter 'model' is of type null"),
    "no messages": ({"messages": []}, 400, "invalid request: parameter 'messages' must be at least 1 items"),
    "no content": (
        {"messages": [{"role": "user"}]},
        400,
        "invalid request: parameter 'messages[0].content' is required",
    ),
    "role of responses": (
        {"messages": [{"role": "developer", "content": "x"}]},
        400,
        "invalid request: parameter 'messages[0].role' has an invalid value: 'developer'",
    ),
    "audio": (
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        400,
        "invalid request: parameter 'messages[0].content[0].type' has an invalid value: 'input_audio'",
    ),
    "empty content": (
        {"messages": [{"role": "user", "content": ""}]},
        400,
        "invalid request: messages[0]: all elements",
    ),
    "temperature": ({"temperature": 1.5}, 400, "invalid request: parameter 'temperature' must be at most 1"),
    "k": ({"k": 501}, 400, "invalid request: parameter 'k' must be at most 500"),
    "p": ({"p": 1}, 400, "invalid request: parameter 'p' must be at most 0.99"),
    "small p": ({"p": 0.001}, 400, "invalid request: p must be between 0.01 and 0.99"),
    "penalty": ({"presence_penalty": -1}, 400, "invalid request: parameter 'presence_penalty' must be at least 0"),
    "seed": ({"seed": 2**64}, 400, "invalid request: "),
    "six stops": (
        {"stop_sequences": list("abcdef")},
        400,
        "invalid request: parameter 'stop_sequences' must be at most",
    ),
    "empty stop": ({"stop_sequences": [""]}, 400, "invalid request: stop_sequences must not have empty strings"),
    "priority": ({"priority": 1000}, 400, "invalid request: parameter 'priority' must be at most 999"),
    "tool choice of chat": (
        {**tool(), "tool_choice": "auto"},
        400,
        "invalid request: parameter 'tool_choice' has an invalid value: 'auto'",
    ),
    "choice without tools": ({"tool_choice": "NONE"}, 400, "invalid request: tool_choice cannot be specified without"),
    "choice of an older model": (
        {"model": "command-r-08-2024", **tool(), "tool_choice": "REQUIRED"},
        400,
        "invalid request: tool_choice is not supported with model command-r-08-2024",
    ),
    "one name twice": ({"tools": tool()["tools"] * 2}, 400, "invalid request: tools must have different names"),
    "tool without function": (
        {"tools": [{"type": "function"}]},
        400,
        "invalid request: each tool must have a function",
    ),
    "tool without parameters": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        400,
        "invalid request: parameter 'tools[0].function.parameters' is required",
    ),
    "schema of no schema": (
        tool(parameters={"type": "object", "properties": {"a": {"type": "text"}}}),
        400,
        "invalid request: parameters of tool 'f' are not a JSON schema",
    ),
    "parameters of text": (tool(parameters={"type": "string"}), 400, "invalid request: parameters of tool 'f' must be"),
    "strict without required": (
        {**tool(parameters={"type": "object", "properties": {}}), "strict_tools": True},
        400,
        "invalid request: with strict_tools tool 'f' must have at least one required parameter",
    ),
    "call without result": (
        {**tool(), "messages": [USER, called(CALL), USER]},
        400,
        "invalid request: messages[2]: tool calls have no results: c1",
    ),
    "call at the end": (
        {**tool(), "messages": [USER, called(CALL)]},
        400,
        "invalid request: tool calls have no results: c1",
    ),
    "one of two results": (
        {**tool(), "messages": [USER, called(CALL, {**CALL, "id": "c2"}), RESULT]},
        400,
        "invalid request: tool calls have no results: c2",
    ),
    "result of nothing": (
        {**tool(), "messages": [USER, RESULT]},
        400,
        "invalid request: messages[1]: tool_call_id 'c1' has no tool call before it",
    ),
    "result twice": (
        {**tool(), "messages": [USER, called(CALL), RESULT, RESULT]},
        400,
        "invalid request: messages[3]: tool_call_id 'c1' has no tool call before it",
    ),
    "same ids": (
        {**tool(), "messages": [USER, called(CALL, CALL), RESULT]},
        400,
        "invalid request: messages[1]: tool calls must have different ids",
    ),
    "arguments that are no JSON": (
        {"messages": [USER, called({**CALL, "function": {"name": "f", "arguments": "{"}}), RESULT]},
        400,
        "invalid request: messages[1].tool_calls: the arguments of 'c1' are no JSON",
    ),
    "arguments of text": (
        {"messages": [USER, called({**CALL, "function": {"name": "f", "arguments": '"x"'}}), RESULT]},
        400,
        "invalid request: messages[1].tool_calls: the arguments of 'c1' must be a JSON object",
    ),
    "call of no name": (
        {"messages": [USER, called({"id": "c1", "type": "function"}), RESULT]},
        400,
        "invalid request: messages[1].tool_calls: each tool call must have a function with a name",
    ),
    "picture for the blind": (
        picture("https://example.com/a.png"),
        400,
        f"invalid request: image content is not supported with model {MODEL}",
    ),
    "picture of no address": ({**VISION, **picture("a.png")}, 400, "invalid request: image_url.url must be a base64"),
    "picture of no base64": (
        {**VISION, **picture("data:image/png;base64,!")},
        400,
        "invalid request: image_url.url must be a base64 data URI of a PNG",
    ),
    "picture of text": (
        {**VISION, **picture("data:text/plain;base64,aGk=")},
        400,
        "invalid request: image_url.url must be a base64 data URI of a PNG",
    ),
    "json and tools": (
        {**tool(), **json_schema(SCHEMA)},
        400,
        "invalid request: response_format of type json_object is not supported in combination with tools or documents",
    ),
    "format of chat": (
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        400,
        "invalid request: parameter 'response_format.type' has an invalid value: 'json_schema'",
    ),
    "schema of text": (json_schema({"type": "string"}), 400, "invalid request: response_format.json_schema must be of"),
    "nothing required": (
        json_schema({**SCHEMA, "properties": {"a": {"type": "object", "properties": {}}}}),
        400,
        "invalid request: each object in response_format.json_schema must have at least one required field",
    ),
    "safety and tools": ({**tool(), "safety_mode": "STRICT"}, 400, "invalid request: safety_mode is not configurable"),
    "safety off": (
        {"safety_mode": "OFF"},
        400,
        f"invalid request: safety_mode OFF is not supported with model {MODEL}",
    ),
    "thinking": (
        {"thinking": {"type": "enabled"}},
        400,
        f"invalid request: thinking is not supported with model {MODEL}",
    ),
    "no budget": (
        {"model": "command-a-reasoning-08-2025", "thinking": {"type": "enabled", "token_budget": 0}},
        400,
        "invalid request: parameter 'thinking.token_budget' must be at least 1",
    ),
    "unknown model": ({"model": "command-x"}, 404, "model 'command-x' not found, make sure the correct model ID was"),
    "field of the gateway": ({"gateway": {}}, 400, "The gateway's own field 'gateway' was sent to the provider."),
}


def ask(body: Any, world: World | None = None, key: bytes = b"Bearer k") -> Answer:
    headers = ((b"authorization", key), (b"content-type", b"application/json"))
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = RecordedRequest("POST", "/v2/chat", headers, content)
    return respond(request, world or World(1, catalogue()), None, "")[0]


def error_of(answer: Answer) -> tuple[int, str]:
    body = json.loads(answer.body)
    assert body.keys() == {"id", "message"}
    return answer.status, body["message"]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rule(name: str) -> None:
    changes, status, message = BROKEN[name]
    for stream in ({}, {"stream": True}):
        found = error_of(ask({"model": MODEL, "messages": [USER], **changes, **stream}))
        assert found[0] == status and found[1].startswith(message), found


@pytest.mark.parametrize(
    ("key", "message"),
    [(b"", "no api key supplied"), (b"Basic x", "no api key supplied"), (b"Bearer wrong-key", "invalid api token")],
)
def test_keys(key: bytes, message: str) -> None:
    assert error_of(ask({"model": MODEL, "messages": [USER]}, key=key)) == (401, message)


def test_too_long_a_prompt() -> None:
    world = World(1, catalogue([Model(name="small", vendor="cohere", context_tokens=50)]))
    status, message = error_of(ask({"model": "small", "messages": [{**USER, "content": "word " * 100}]}, world))
    assert status == 400 and message.startswith(
        "too many tokens: total number of tokens in the prompt cannot exceed 50"
    )


def test_roles_in_any_order() -> None:
    assistant = {"role": "assistant", "content": "x"}
    for messages in ([USER, USER], [assistant, assistant], [USER, {"role": "system", "content": "x"}]):
        assert ask({"model": MODEL, "messages": messages}).status == 200


UNREADABLE = [b"", b"{", b"[]", b'{"messages":' + b"[" * 100_000, b'{"a":"\xff"}', b'{"a":"\\ud800"}']


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_unreadable(body: bytes) -> None:
    assert error_of(ask(body))[0] in (400, 422)


@pytest.mark.parametrize("depth", [50, 200, 400, 900])
def test_deep_documents(depth: int) -> None:
    """Taken or refused, never a crash."""
    deep: Any = {}
    for _ in range(depth):
        deep = {"a": deep}
    nested = {"type": "object", "properties": {"a": {"not": deep}}, "required": ["a"]}
    for changes in (tool(parameters=nested), json_schema(nested), {"documents": [{"data": deep}]}):
        assert ask({"model": MODEL, "messages": [USER], **changes}).status in (200, 400)


SOUND: dict[str, Any] = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        USER,
        {**called(CALL), "tool_plan": "I will."},
        {**RESULT, "content": [{"type": "document", "document": {"id": "d", "data": {"a": 1}}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "y"}]},
        {"role": "user", "content": "call f and call f with {} echo: ok"},
    ],
    **tool(),
    "tool_choice": "REQUIRED",
    "documents": ["one", {"id": "two", "data": {"a": ["b"]}}],
    "citation_options": {"mode": "FAST"},
    "stop_sequences": ["x"],
    "logprobs": True,
    "seed": 5,
}
ODD: list[Any] = [None, True, 0, -1, 2.5, 10**20, "", "x", [], {}, [None], ["x"], [[]], {"type": "text"}, {"data": {}}]


def spoil(body: dict[str, Any], rng: random.Random) -> None:
    places: list[tuple[Any, Any]] = []
    rest: list[Any] = [body]
    while rest:
        value = rest.pop()
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                rest.append(value[key])
    container, key = rng.choice(places)
    if rng.random() < 0.2:
        del container[key]
    else:
        container[key] = copy.deepcopy(rng.choice(ODD))


@pytest.mark.parametrize("stream", [False, True])
def test_mangled(stream: bool) -> None:
    """Whatever is sent, the answer is an answer."""
    rng = random.Random(stream)
    world = World(1, catalogue())
    statuses: set[int] = set()
    for spoiled in range(500):
        body = copy.deepcopy({**SOUND, "stream": stream})
        for _ in range(min(spoiled, 2)):
            spoil(body, rng)
        answer = ask(body, world)
        statuses.add(answer.status)
        assert spoiled or answer.status == 200, answer.body
        assert answer.status == 200 or error_of(answer)[0] in (400, 404, 422)
    assert {200, 400, 422} <= statuses
