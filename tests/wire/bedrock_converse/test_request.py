"""Requests in Converse, read: what has a place elsewhere, what has none, what is no request; and passed on."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from isthmus.errors import GatewayError, InvalidRequest, Unsupported
from isthmus.wire.bedrock_converse import DIALECT
from isthmus.wire.body import Body
from isthmus.wire.sealed import seal, seal_id

USER = {"role": "user", "content": [{"text": "Hi"}]}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SEALED = Opaque(origin="openai", data="gAAA")


def read(**fields):
    return DIALECT.read_request(Body(json.dumps({"messages": [USER], **fields}).encode()))


def shown(*blocks, role="user"):
    return read(messages=[{"role": role, "content": list(blocks)}])


def noted(chat):
    return {note.field: note.fate for note in chat.unplaced}


def test_the_least_request():
    chat = read()
    assert chat.messages == (Message(role="user", parts=(Text(text="Hi"),)),)
    assert (chat.model, chat.stream, chat.unplaced) == ("", False, ())


def test_what_has_no_place_is_noted():
    chat = read(
        guardrailConfig={"guardrailIdentifier": "a", "guardrailVersion": "1"},
        performanceConfig={"latency": "optimized"},
        promptVariables={},
        additionalModelRequestFields={"anthropic_beta": ["x"], "top_k": "many"},
        toolConfig={"tools": [{"systemTool": {"name": "nova_grounding"}}]},
        unknown=1,
    )
    assert noted(chat) == dict.fromkeys(
        (
            "guardrailConfig",
            "performanceConfig",
            "unknown",
            "additionalModelRequestFields.anthropic_beta",
            "additionalModelRequestFields.top_k",
            "toolConfig.tools.systemTool",
        ),
        "lost",
    )


def test_content_of_aws_alone():
    chat = shown(
        {"text": "Look"},
        {"guardContent": {"text": {"text": "guarded", "qualifiers": ["query"]}}},
        {"guardContent": {"image": {"format": "png", "source": {"bytes": PNG}}}},
        {"searchResult": {"source": "https://a.example", "title": "A", "content": [{"text": "x"}, {"text": "y"}]}},
        {"toolAddition": {"tool": {"name": "f"}}},
        {"document": {"name": "b", "source": {"content": [{"text": "1"}, {"text": "2"}]}}},
        {"document": {"name": "c", "format": "pdf", "source": {"s3Location": {"uri": "s3://bucket/c.pdf"}}}},
        {"document": {"name": "d", "format": "txt", "source": {"bytes": "/w=="}}},
    )
    assert chat.messages[0].parts == (
        Text(text="Look"),
        Text(text="guarded"),
        Image(base64=PNG, media_type="image/png"),
        Document(text="x\n\ny", name="A", context="https://a.example"),
        Document(text="1\n\n2", name="b"),
        Document(file=Opaque(origin="aws", data='{"uri":"s3://bucket/c.pdf"}'), media_type="application/pdf", name="c"),
        Document(base64="/w==", media_type="text/plain", name="d"),
    )
    assert noted(chat) == {
        "messages.guardContent": "lost",
        "messages.searchResult": "emulated",
        "messages.toolAddition": "lost",
    }


def test_system_blocks_and_messages():
    chat = read(
        system=[{"text": "A"}, {"cachePoint": {"type": "default"}}, {"guardContent": {"text": {"text": "B"}}}],
        messages=[USER, {"role": "system", "content": [{"text": "C"}]}, USER],
    )
    assert [(message.role, [part.text for part in message.parts]) for message in chat.messages] == [
        ("system", ["A", "B"]),
        ("user", ["Hi"]),
        ("system", ["C"]),
        ("user", ["Hi"]),
    ]
    assert chat.messages[0].parts[0].cache is not None


def test_a_turn_of_the_assistant():
    signed = {"reasoningText": {"text": "hm", "signature": seal(SEALED, "anthropic")}}
    call = {"toolUseId": seal_id("c1", Opaque(origin="google", data="sig")), "name": "f", "input": {"a": [1, 2]}}
    server = {"toolUseId": "s", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}
    result = {"toolUseId": call["toolUseId"], "content": [{"json": {"b": 1}}, {"text": "x"}], "status": "error"}
    chat = read(
        messages=[
            USER,
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": signed},
                    {"reasoningContent": {"reasoningText": {"text": ""}}},
                    {"text": "Wait."},
                    {"toolUse": server},
                    {"toolResult": {"toolUseId": "s", "content": []}},
                    {"toolUse": call},
                ],
            },
            {"role": "user", "content": [{"text": "So"}, {"toolResult": result}]},
        ]
    )
    assert chat.messages[1].parts == (
        Reasoning(text="hm", signature=SEALED),
        Text(text="Wait."),
        ToolCall(id="c1", name="f", arguments='{"a":[1,2]}', signature=Opaque(origin="google", data="sig")),
    )
    answer = ToolResult(call_id="c1", parts=(Text(text='{"b":1}'), Text(text="x")), is_error=True)
    assert [message.parts for message in chat.messages[2:]] == [(answer,), (Text(text="So"),)]
    assert noted(chat) == {"messages.toolUse.type": "lost", "messages.toolResult": "lost"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"thinking_budget": 2000, "summary": "auto"}),
        ({"reasoning_config": {"type": "disabled"}}, {"effort": "none"}),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, {"thinking_budget": -1, "summary": "none"}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, {"effort": "low", "summary": "auto"}),
        ({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, {"effort": "high"}),
        ({"reasoningConfig": {"type": "disabled"}}, {"effort": "none"}),
        ({"reasoning_effort": "medium"}, {"effort": "medium"}),
        ({"inferenceConfig": {"topK": 7}}, {"top_k": 7}),
        ({"tool_choice": {"type": "none"}}, {"tool_choice": ToolChoice(mode="none")}),
        (
            {"tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}},
            {"tool_choice": ToolChoice(mode="named", name="f"), "parallel_tool_calls": False},
        ),
    ],
)
def test_fields_of_families(fields, expected):
    chat = read(additionalModelRequestFields=fields)
    assert {name: getattr(chat, name) for name in expected} == expected
    assert chat.unplaced == ()


def test_effort_among_the_outputs():
    chat = read(outputConfig={"effort": "max"}, additionalModelRequestFields={"thinking": {"type": "adaptive"}})
    assert (chat.effort, chat.thinking_budget) == ("max", None)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": "x"}, "messages"),
        ({"messages": [{"role": "tool", "content": []}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"cachePoint": {}}]}]}, "messages.0.content.0.cachePoint"),
        (
            {"messages": [{"role": "assistant", "content": [{"image": {"format": "png", "source": {}}}]}]},
            "messages.0.content.0",
        ),
        (
            {"messages": [{"role": "user", "content": [{"image": {"format": "bmp", "source": {"bytes": PNG}}}]}]},
            "messages.0.content.0.image.format",
        ),
        (
            {"messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "!!"}}}]}]},
            "messages.0.content.0.image.source.bytes",
        ),
        (
            {"messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {}}}]}]},
            "messages.0.content.0.image.source",
        ),
        (
            {"messages": [{"role": "user", "content": [{"document": {"name": "a", "source": {"bytes": "AA=="}}}]}]},
            "messages.0.content.0.document.format",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c", "name": "f", "input": "x"}}]}
                ]
            },
            "messages.0.content.0.toolUse.input",
        ),
        (
            {"messages": [{"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": []}}]}]},
            "messages",
        ),
        ({"inferenceConfig": {"maxTokens": 0}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"temperature": 2}}, "inferenceConfig.temperature"),
        ({"toolConfig": {"tools": [{"cachePoint": {}}]}}, "toolConfig.tools.0.cachePoint"),
        ({"toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}}, "toolConfig.tools.0.toolSpec.inputSchema"),
        (
            {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "["}}}}},
            "outputConfig.textFormat.structure.jsonSchema.schema",
        ),
    ],
)
def test_what_is_no_request(fields, param):
    with pytest.raises(InvalidRequest) as refusal:
        read(**fields)
    assert refusal.value.param == param


def test_places_that_nobody_else_can_reach():
    for kind, format_ in (("audio", "wav"), ("video", "mp4")):
        with pytest.raises(Unsupported):
            shown({kind: {"format": format_, "source": {"s3Location": {"uri": "s3://bucket/x"}}}})


@pytest.mark.parametrize("depth", [300, 100_000])
def test_deep_bodies(depth):
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    for data in (
        b'{"messages":[{"role":"user","content":[{"text":"x"}]}],"additionalModelRequestFields":%b}' % deep,
        b'{"messages":[{"role":"user","content":[{"text":"x"}]}],"x":%b}' % deep,
        b'{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"f","input":%b}}]}]}' % deep,
    ):
        try:
            DIALECT.write_request(DIALECT.read_request(Body(data)), Model(name="anthropic.claude"))
        except GatewayError as error:
            assert isinstance(error, InvalidRequest)


# --- passed on --------------------------------------------------------------------------------------------------------


def test_a_relayed_request_is_as_it_was():
    data = b' {"messages" : [ {"role":"user","content":[{"text":"\\u0068i", "x": 1.0e1}]}] ,"y":{} }'
    assert DIALECT.relay_request(Body(data), "m").body == data


def test_what_is_ours_is_taken_out():
    data = b'{"gateway":{"id":"a"},"messages":[],"options":{}}'
    assert DIALECT.relay_request(Body(data), "m").body == b'{"messages":[]}'


def test_what_another_vendor_signed_is_left_out():
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": seal(SEALED, "anthropic")}}}
    own = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}
    call = {"toolUse": {"toolUseId": seal_id("c", SEALED), "name": "f", "input": {}}}
    body = {
        "messages": [
            USER,
            {"role": "assistant", "content": [thought]},
            {"role": "assistant", "content": [own, thought, call]},
        ],
        "system": [],
    }
    relayed = json.loads(DIALECT.relay_request(Body(json.dumps(body).encode()), "m").body)
    call["toolUse"]["toolUseId"] = "c"
    assert relayed == {"messages": [USER, {"role": "assistant", "content": [own, call]}], "system": []}


def test_tools_are_read_whole():
    schema = {"type": "object", "$defs": {"a": {"const": 1}}, "x-odd": None}
    spec = {"name": "f", "inputSchema": {"json": schema}, "strict": False}
    chat = read(toolConfig={"tools": [{"toolSpec": spec}, {"cachePoint": {"type": "default", "ttl": "1h"}}]})
    (tool,) = chat.tools
    assert isinstance(tool, Tool) and tool.parameters == schema and tool.strict is False and tool.cache.ttl == "1h"
