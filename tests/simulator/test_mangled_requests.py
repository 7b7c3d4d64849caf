"""Whatever is sent, the answer is an answer: sound requests, spoiled at random places, are taken or refused, never
anything else, and what is taken is answered as published.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from isthmus.simulator.exchange import World
from isthmus.simulator.models import catalogue
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.routes import respond

ROUNDS = 250
HEADERS = (
    (b"authorization", b"Bearer k"),
    (b"anthropic-version", b"2023-06-01"),
    (b"content-type", b"application/json"),
)
SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": ["string", "null"]},
        "b": {"anyOf": [{"type": "integer", "minimum": 1}, {"enum": ["x", 2]}]},
        "c": {"type": "array", "items": {"$ref": "#/properties/a"}, "minItems": 1},
    },
    "required": ["a", "b", "c"],
    "additionalProperties": False,
}
SAID = "call f and call f with {} echo: ok"
PICTURE = "data:image/png;base64,aGk="
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/chat/completions": (
        "CreateChatCompletionResponse",
        {
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "18"}]},
                {"role": "user", "content": SAID, "name": "ada"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
            "stop": ["x"],
            "logprobs": True,
            "metadata": {"a": "b"},
        },
    ),
    "/v1/responses": (
        "Response",
        {
            "model": "gpt-5.1",
            "input": [
                {"role": "user", "content": [{"type": "input_image", "image_url": PICTURE}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "18"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "18"}]},
                {"role": "user", "content": SAID},
            ],
            "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}, {"type": "custom", "name": "g"}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
        },
    ),
    "/v1/messages": (
        "Message",
        {
            "model": "claude-haiku-4-5",
            "max_tokens": 2000,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
                    ],
                },
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "18"}]},
                {"role": "assistant", "content": "18"},
                {"role": "user", "content": SAID},
            ],
            "tools": [{"name": "f", "input_schema": SCHEMA}],
            "tool_choice": {"type": "auto"},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "stop_sequences": ["x"],
        },
    ),
}
ODD: list[Any] = [None, True, 0, -1, 2.5, 10**20, "", "x", [], {}, [None], ["x"], [[]], {"type": "text"}, {"a": {}}]
NAMES = ["type", "content", "id", "$ref", "anyOf", "enum", "minItems", "stream", "x"]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container within, with each of its keys or positions."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def spoil(body: dict[str, Any], rng: random.Random) -> None:
    container, key = rng.choice(list(places(body)))
    way = rng.random()
    if way < 0.2:
        del container[key]
    elif way < 0.8 or isinstance(container, list):
        container[key] = copy.deepcopy(rng.choice(ODD))
    else:
        container[rng.choice(NAMES)] = copy.deepcopy(rng.choice(ODD))


@pytest.mark.parametrize("path", BODIES)
def test_mangled(path: str, openai_schemas: Any, anthropic_schemas: Any) -> None:
    world = World(1, catalogue())
    rng = random.Random(path)
    schema, sound = BODIES[path]
    schemas = anthropic_schemas if path == "/v1/messages" else openai_schemas
    statuses: set[int] = set()
    for spoiled in range(ROUNDS):
        body = copy.deepcopy(sound)
        if spoiled:
            spoil(body, rng)
        answer, _ = respond(RecordedRequest("POST", path, HEADERS, json.dumps(body).encode()), world, None, "")
        statuses.add(answer.status)
        assert answer.status in (200, 400, 404)
        schemas.check(schema if answer.status == 200 else "ErrorResponse", json.loads(answer.body))
        assert spoiled or answer.status == 200, answer.body
    assert {200, 400} <= statuses
