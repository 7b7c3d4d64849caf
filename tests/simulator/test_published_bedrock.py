"""What Converse takes and answers, held against AWS's own service model: each shape of a request member by member, each
answer and each event over a matrix of features; and the pieces of a stream add up to the whole answer.
"""

from __future__ import annotations

import base64
import json
import re
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import botocore.eventstream
import botocore.session
import msgspec
import pytest

from isthmus.simulator import Fault, Simulator
from isthmus.simulator.bedrock import request as shapes
from isthmus.simulator.bedrock.families import REDACT

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
HEADERS = {"authorization": "Bearer k", "content-type": "application/json"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = base64.b64encode(b"%PDF-1.7\n").decode()
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "description": "Weather", "inputSchema": {"json": SCHEMA}}}]}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
MODEL = botocore.session.Session().get_service_model("bedrock-runtime")


def user(*blocks: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": "user", "content": [{"text": block} if isinstance(block, str) else block for block in blocks]}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def document(**more: Any) -> dict[str, Any]:
    return {"document": {"name": "Report 1", "format": "txt", "source": {"text": "Grass is green."}, **more}}


CITED = {"citations": {"enabled": True}}
CALL = {"toolUse": {"toolUseId": "t_1", "name": "get_weather", "input": {"city": "Oslo"}}}
RESULT = {"toolResult": {"toolUseId": "t_1", "content": [{"json": {"degrees": 18}}, {"text": "mild"}]}}
WANTED = {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "weather"}}

REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {"messages": [user("hello")], "system": [{"text": "Be brief."}], "requestMetadata": {"team": "a"}},
    "every sort of content": {
        "messages": [
            user(
                "look",
                {"image": {"format": "png", "source": {"bytes": PNG}}},
                document(name="a (1)"),
                document(name="b [2]", format="pdf", source={"bytes": PDF}, context="old"),
                {"searchResult": {"source": "https://example.com", "title": "t", "content": [{"text": "x"}]}},
                {"guardContent": {"text": {"text": "y", "qualifiers": ["query"]}}},
            )
        ],
    },
    "unicode": {"messages": [user("echo: ☃ 😀 é\u2028 \r\n ")]},
    "empty": {"messages": [user("echo: ")]},
    "length": {"messages": [user("hello")], "inferenceConfig": {"maxTokens": 3, "temperature": 0.5}},
    "stop": {
        "messages": [user("echo: one two three")],
        "inferenceConfig": {"stopSequences": [" three"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence", "/nothing"],
    },
    "thinking": {"messages": [user("[[sim: events=4]] hello")], "additionalModelRequestFields": THINKING},
    "redacted": {"messages": [user(REDACT)], "additionalModelRequestFields": THINKING},
    "older name of thinking": {
        "messages": [user("hello")],
        "additionalModelRequestFields": {"reasoning_config": THINKING["thinking"], "anthropic_beta": ["x"]},
    },
    "adaptive": {
        "model": "global.anthropic.claude-opus-4-8",
        "messages": [user("hello")],
        "additionalModelRequestFields": {"thinking": {"type": "adaptive"}},
        "outputConfig": {"effort": "low"},
    },
    "calls, text and thinking": {
        "messages": [user("[[sim: events=4]] call get_weather and call get_weather echo: Wait.")],
        "toolConfig": {**TOOLS, "toolChoice": {"auto": {}}},
        "additionalModelRequestFields": THINKING,
    },
    "forced": {"messages": [user("hello")], "toolConfig": {**TOOLS, "toolChoice": {"tool": {"name": "get_weather"}}}},
    "required": {"messages": [user("hello")], "toolConfig": {**TOOLS, "toolChoice": {"any": {}}}},
    "result": {"messages": [user("call get_weather"), assistant(CALL), user(RESULT)], "toolConfig": TOOLS},
    "failed result": {
        "messages": [
            user("call get_weather"),
            assistant({"text": "Wait."}, CALL),
            user({"toolResult": {"toolUseId": "t_1", "content": [{"text": "no"}], "status": "error"}}),
        ],
        "toolConfig": TOOLS,
    },
    "citations": {"messages": [user("who?", document(**CITED))]},
    "citations of pages and chunks": {
        "messages": [
            user(
                "who?",
                document(name="a", format="pdf", source={"bytes": PDF}, **CITED),
                document(name="b", source={"content": [{"text": "x"}]}, **CITED),
            )
        ]
    },
    "json schema": {
        "messages": [user("who?")],
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": WANTED}},
    },
    "tiers": {
        "messages": [user("hello")],
        "serviceTier": {"type": "flex"},
        "performanceConfig": {"latency": "standard"},
        "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": "enabled"},
    },
    "cached": {
        "messages": [user("word " * 5000, {"cachePoint": {"type": "default"}}, "and then?")],
        "system": [{"text": "rule " * 5000}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "toolConfig": {"tools": [*TOOLS["tools"], {"cachePoint": {"type": "default", "ttl": "1h"}}]},
    },
    "blocked": {
        "messages": [user("[[sim: content_filter]]")],
        "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "DRAFT"},
    },
    "refused": {"messages": [user("[[sim: refusal]]")]},
    "malformed call": {"messages": [user("[[sim: finish_reason=malformed_tool_use]]")]},
    "nova": {
        "model": NOVA,
        "messages": [user("call get_weather")],
        "toolConfig": TOOLS,
        "additionalModelRequestFields": {"inferenceConfig": {"topK": 20}},
    },
    "nova thinks": {
        "model": "us.amazon.nova-2-lite-v1:0",
        "messages": [user("hello")],
        "additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
    },
}


def conforms(value: Any, shape: Any, where: str = "$") -> None:
    """A JSON value is what the service model's shape says, and nothing more."""
    if shape.type_name == "structure" and not shape.is_document_type:
        assert set(value) <= set(shape.members), f"{where}: {set(value) - set(shape.members)}"
        assert set(shape.required_members) <= set(value), f"{where}: {shape.required_members}"
        assert not shape.is_tagged_union or len(value) == 1, f"{where}: {value}"
        for name, part in value.items():
            conforms(part, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for index, part in enumerate(value):
            conforms(part, shape.member, f"{where}[{index}]")
    elif shape.type_name in ("string", "blob"):
        assert isinstance(value, str), where
        assert not getattr(shape, "enum", None) or value in shape.enum, f"{where}: {value}"
        assert "pattern" not in shape.metadata or re.fullmatch(shape.metadata["pattern"], value), f"{where}: {value}"
        assert shape.type_name == "string" or base64.b64decode(value, validate=True), where
    elif shape.type_name in ("integer", "long"):
        assert type(value) is int and value >= shape.metadata.get("min", value), where


def events_of(body: bytes) -> list[tuple[str, Any]]:
    """Name and data of each frame, lengths and checksums checked by botocore."""
    buffer = botocore.eventstream.EventStreamBuffer()
    buffer.add_data(body)
    found: list[tuple[str, Any]] = []
    for frame in buffer:
        name = frame.headers.get(":event-type") or frame.headers[":exception-type"]
        assert frame.headers[":content-type"] == "application/json"
        found.append((name, json.loads(frame.payload)))
    return found


@pytest.mark.parametrize("name", REQUESTS)
async def test_converse(name: str, caller: Any, simulator: Simulator) -> None:
    body = dict(REQUESTS[name])
    path = f"/model/{body.pop('model', CLAUDE).replace(':', '%3A')}/converse"
    conforms(body | {"modelId": "x"}, MODEL.operation_model("Converse").input_shape)

    reply = await caller.post(path, body, HEADERS)
    assert reply.status == 200, reply.body
    whole = reply.json()
    conforms(whole, MODEL.operation_model("Converse").output_shape)
    usage = whole["usage"]
    inclusive = usage["inputTokens"] + usage["cacheReadInputTokens"] + usage["cacheWriteInputTokens"]
    assert usage["totalTokens"] == inclusive + usage["outputTokens"]

    streamed = await caller.post(f"{path}-stream", body, HEADERS)
    assert streamed.complete and streamed.headers["content-type"] == "application/vnd.amazon.eventstream"
    events = events_of(streamed.body)
    members = MODEL.operation_model("ConverseStream").output_shape.members["stream"].members
    for event, data in events:
        assert data.pop("p")
        conforms(data, members[event], event)
    names = [event for event, _ in events]
    assert names[0] == "messageStart" and names[-2:] == ["messageStop", "metadata"]
    again = folded(events)
    if name == "cached":  # by then it was
        assert usage["cacheWriteInputTokens"] == again["usage"]["cacheReadInputTokens"] > 0
        assert [detail["ttl"] for detail in usage["cacheDetails"]] == ["1h", "5m"]
        whole["usage"] = again["usage"]
    del whole["metrics"], again["metrics"]
    assert again == without_ids(whole)


def folded(events: list[tuple[str, Any]]) -> dict[str, Any]:
    """A whole answer, from its events."""
    blocks: list[dict[str, Any]] = []
    answer: dict[str, Any] = {}
    for name, data in events:
        if name == "contentBlockStart":
            assert data["contentBlockIndex"] == len(blocks)
            blocks.append({"toolUse": {**data["start"]["toolUse"], "input": ""}})
        elif name == "contentBlockDelta":
            if data["contentBlockIndex"] == len(blocks):
                blocks.append({})
            _add(blocks[data["contentBlockIndex"]], data["delta"])
        elif name in ("messageStop", "metadata"):
            answer |= data
    for block in blocks:
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    return without_ids({**answer, "output": {"message": {"role": "assistant", "content": blocks}}})


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    ((kind, value),) = delta.items()
    if kind == "text":
        block["text"] = block.get("text", "") + value
    elif kind == "toolUse":
        block["toolUse"]["input"] += value["input"]
    elif kind == "citation":
        if "text" in block:
            block["citationsContent"] = {"content": [{"text": block.pop("text")}], "citations": []}
        block["citationsContent"]["citations"].append(value)
    elif "redactedContent" in value:
        block["reasoningContent"] = value
    else:
        thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        thought["text"] += value.get("text", "")
        thought |= {name: part for name, part in value.items() if name == "signature"}


def without_ids(answer: dict[str, Any]) -> dict[str, Any]:
    for block in answer["output"]["message"]["content"]:
        if "toolUse" in block:
            block["toolUse"]["toolUseId"] = ""
    return answer


async def test_each_stop_reason(caller: Any, simulator: Simulator) -> None:
    for reason in get_args(shapes.StopReason):
        simulator.next(Fault(finish_reason=reason))
        reply = await caller.post(f"/model/{NOVA}/converse", {"messages": [user("hello")]}, HEADERS)
        assert reply.json()["stopReason"] == reason
    assert list(get_args(shapes.StopReason)) == MODEL.shape_for("StopReason").enum


async def test_count_tokens(caller: Any) -> None:
    name = CLAUDE.removeprefix("us.")
    asked = {"messages": [user("hello")], "system": [{"text": "Be brief."}], "toolConfig": TOOLS}
    counted = await caller.post(f"/model/{name}/count-tokens", {"input": {"converse": asked}}, HEADERS)
    conforms(counted.json(), MODEL.operation_model("CountTokens").output_shape)
    answered = await caller.post(f"/model/{CLAUDE}/converse", asked, HEADERS)
    assert counted.json()["inputTokens"] == answered.json()["usage"]["inputTokens"] > 10
    native = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [user("hello")]}
    native["messages"] = [{"role": "user", "content": "hello"}]
    body = {"input": {"invokeModel": {"body": base64.b64encode(json.dumps(native).encode()).decode()}}}
    assert (await caller.post(f"/model/{name}/count-tokens", body, HEADERS)).json()["inputTokens"] > 1


LIMITS = ("ge", "le", "pattern", "min_length", "max_length")


def plain(hint: Any) -> tuple[Any, dict[str, Any]]:
    """Without `| None` and `Annotated`, and what the latter said."""
    said: dict[str, Any] = {}
    while get_origin(hint) in (Annotated, Union, types.UnionType):
        for meta in getattr(hint, "__metadata__", ()):
            said |= {name: getattr(meta, name) for name in LIMITS if getattr(meta, name) is not None}
        hint = get_args(hint)[0]
    return hint, said


def compare(hint: Any, shape: Any, where: str) -> None:
    hint, said = plain(hint)
    known = shape.metadata
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        fields = {field.name: field for field in msgspec.structs.fields(hint)}
        members = {n: m for n, m in shape.members.items() if m.serialization.get("location") != "uri"}
        assert set(fields) == set(members), where
        required = {name for name, field in fields.items() if field.required}
        assert required == set(shape.required_members) & set(members), where
        for name, inner in get_type_hints(hint, include_extras=True).items():
            compare(inner, members[name], f"{where}.{name}")
    elif get_origin(hint) is Literal:
        assert list(get_args(hint)) == shape.enum, where
    elif get_origin(hint) is list:
        assert (said.get("min_length"), said.get("max_length")) == (known.get("min") or None, known.get("max")), where
        compare(get_args(hint)[0], shape.member, f"{where}[]")
    elif get_origin(hint) is dict:
        assert (said.get("min_length"), said.get("max_length")) == (known.get("min"), known.get("max")), where
        for inner, part in zip(get_args(hint), (shape.key, shape.value), strict=True):
            compare(inner, part, f"{where}{{}}")
    elif hint is Any:
        assert shape.is_document_type, where
    elif hint is str and where.endswith("invokeModel.body"):
        assert shape.type_name == "blob"
    elif hint is str:
        assert shape.type_name in ("string", "blob"), where
        pattern = said.get("pattern")
        assert (pattern and pattern[1:].removesuffix(r"\Z")) == known.get("pattern"), where
        assert (said.get("min_length"), said.get("max_length")) == (known.get("min") or None, known.get("max")), where
    else:
        wanted = {int: "integer", float: "float", bool: "boolean"}[hint]
        most = said.get("le") if said.get("le") != shapes.MAX_INT else None
        assert (shape.type_name, said.get("ge"), most) == (wanted, known.get("min"), known.get("max")), where


@pytest.mark.parametrize(
    ("shape", "operation"),
    [
        (shapes.ConverseRequest, "Converse"),
        (shapes.ConverseStreamRequest, "ConverseStream"),
        (shapes.CountTokensRequest, "CountTokens"),
    ],
)
def test_shapes_are_the_service_models(shape: type, operation: str) -> None:
    compare(shape, MODEL.operation_model(operation).input_shape, operation)
