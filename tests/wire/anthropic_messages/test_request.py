"""What callers send, read: the whole vocabulary, and each refusal with the field it names."""

from __future__ import annotations

import json

import pytest

from isthmus.core.request import (
    AnswerFormat,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.anthropic_messages import DIALECT
from isthmus.wire.body import Body

USER = {"role": "user", "content": "Hello."}


def body(**fields):
    return Body(json.dumps({"model": "m", "max_tokens": 100, "messages": [USER], **fields}).encode())


def read(**fields):
    return DIALECT.read_request(body(**fields))


def turns(*messages):
    return read(messages=list(messages)).messages


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def test_the_least_there_is():
    chat = read()
    assert chat.model == "m" and chat.max_tokens == 100
    assert chat.messages == (Message(role="user", parts=(Text(text="Hello."),)),)
    assert not chat.stream and chat.unplaced == () and chat.effort is None and chat.tool_choice is None


def test_instructions_come_first():
    blocks = [{"type": "text", "text": "One."}, {"type": "text", "text": ""}, {"type": "text", "text": "Two."}]
    assert read(system=blocks).messages[0] == Message(role="system", parts=(Text(text="One."), Text(text="Two.")))
    assert read(system="One.").messages[0] == Message(role="system", parts=(Text(text="One."),))
    assert read(system="").messages == read(system=[]).messages == read().messages


def test_tool_results_become_messages_before_the_rest_of_the_turn():
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    result = {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "2"}, image]}
    read_turns = turns(
        user({"type": "text", "text": "See."}, {"type": "tool_result", "tool_use_id": "a", "content": "1"}, result)
    )
    assert read_turns == (
        Message(role="tool", parts=(ToolResult(call_id="a", parts=(Text(text="1"),)),)),
        Message(
            role="tool",
            parts=(ToolResult(call_id="b", parts=(Text(text="2"), Image(url="https://example.com/a.png"))),),
        ),
        Message(role="user", parts=(Text(text="See."),)),
    )


def test_a_failed_and_an_empty_tool_result():
    failed = {"type": "tool_result", "tool_use_id": "a", "is_error": True}
    assert turns(user(failed)) == (Message(role="tool", parts=(ToolResult(call_id="a", parts=(), is_error=True),)),)


def test_an_assistant_turn():
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "thinking", "thinking": "Unsigned.", "signature": ""},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "text", "text": ""},
        {"type": "text", "text": "So."},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": [1, 2.5], "y": {}}},
    ]
    assistant = {"role": "assistant", "content": blocks}
    assert turns(USER, assistant)[1].parts == (
        Reasoning(text="Hm.", signature="s"),
        Reasoning(text="Unsigned."),
        Text(text="So."),
        ToolCall(id="a", name="f", arguments='{"x":[1,2.5],"y":{}}'),
    )


def test_an_assistant_who_said_nothing_is_left_out():
    assert len(turns(USER, {"role": "assistant", "content": []}, {"role": "assistant", "content": ""}, USER)) == 2


def test_instructions_in_the_middle_keep_their_place():
    middle = {"type": "mid_conv_system", "content": [{"type": "text", "text": "Be kind."}]}
    before, after = {"type": "text", "text": "A"}, {"type": "text", "text": "B"}
    read_turns = turns(user(before, middle, after), {"role": "system", "content": "Be brief."})
    assert [(turn.role, turn.parts[0].text) for turn in read_turns] == [
        ("user", "A"),
        ("system", "Be kind."),
        ("user", "B"),
        ("system", "Be brief."),
    ]


def test_tools_and_their_choice():
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    chat = read(
        tools=[
            {"name": "f", "description": "F", "input_schema": schema, "strict": True},
            {"type": "custom", "name": "g", "input_schema": {"type": "object"}},
        ],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    )
    assert chat.tools == (
        Tool(name="f", description="F", parameters=schema, strict=True),
        Tool(name="g", parameters={"type": "object"}),
    )
    assert chat.tool_choice == ToolChoice(mode="named", name="f")
    assert chat.parallel_tool_calls is False


@pytest.mark.parametrize(("kind", "mode"), [("auto", "auto"), ("any", "required"), ("none", "none")])
def test_tool_choices(kind, mode):
    assert read(tool_choice={"type": kind}).tool_choice == ToolChoice(mode=mode)


def test_sampling_and_the_rest():
    chat = read(temperature=1, top_p=0.5, top_k=3, stop_sequences=["a"], metadata={"user_id": "u"}, stream=True)
    assert (chat.temperature, chat.top_p, chat.top_k, chat.stop, chat.user, chat.stream) == (
        1.0,
        0.5,
        3,
        ("a",),
        "u",
        True,
    )


@pytest.mark.parametrize(
    ("fields", "effort", "budget", "unplaced"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, None, 2000, ()),
        ({"thinking": {"type": "disabled"}}, "none", None, ()),
        ({"thinking": {"type": "adaptive"}}, None, None, ("thinking",)),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max", None, ()),
        ({"output_config": {"effort": "low"}}, "low", None, ()),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "low"}},
            None,
            1024,
            ("output_config.effort",),
        ),
        (
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}},
            "none",
            None,
            ("output_config.effort",),
        ),
    ],
)
def test_thinking(fields, effort, budget, unplaced):
    chat = read(**fields)
    assert (chat.effort, chat.thinking_budget, chat.unplaced) == (effort, budget, unplaced)


def test_answer_formats():
    stated = {"type": "json_schema", "schema": {"type": "object"}}
    wanted = AnswerFormat(schema={"type": "object"}, strict=True)
    assert read(output_config={"format": stated}).answer_format == wanted
    assert read(output_format=stated).answer_format == wanted


def test_what_has_no_place_is_named_once():
    cached = {"cache_control": {"type": "ephemeral"}}
    inner = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x", **cached}]}
    text = {"type": "text", "text": "a", **cached, "hue": 1}
    chat = read(
        system=[{"type": "text", "text": "s", **cached}],
        messages=[user(text, inner), {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}],
        tools=[
            {"name": "f", "input_schema": {"type": "object"}, "input_examples": [], "defer_loading": True, **cached}
        ],
        thinking={"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        context_management={"edits": []},
        service_tier="auto",
        container=None,
        inference_geo="us",
    )
    assert sorted(chat.unplaced) == [
        "cache_control",
        "context_management",
        "inference_geo",
        "messages.content.hue",
        "messages.redacted_thinking",
        "thinking.display",
        "tools.defer_loading",
        "tools.input_examples",
    ]


def test_cache_control_is_found_wherever_it_stands():
    cached = {"cache_control": {"type": "ephemeral"}}
    assistant = {"role": "assistant", "content": [{"type": "text", "text": "a", **cached}]}
    inner = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x", **cached}]}
    for fields in (
        cached,
        {"system": [{"type": "text", "text": "s", **cached}]},
        {"tools": [{"name": "f", "input_schema": {"type": "object"}, **cached}]},
        {"messages": [user({"type": "text", "text": "a", **cached})]},
        {"messages": [user(inner)]},
        {"messages": [USER, assistant]},
    ):
        assert read(**fields).unplaced == ("cache_control",)


IMAGE = {"type": "image", "source": {"type": "file", "file_id": "x"}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [user({"type": "document", "source": {"type": "text"}})]}, "messages.0.content.0.type"),
        ({"messages": [user({"type": "search_result", "title": "x", "content": []})]}, "messages.0.content.0.type"),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "server_tool_use", "id": "x", "input": {}}]}]},
         "messages.1.content.0.type"),
        ({"messages": [user(IMAGE)]}, "messages.0.content.0.source.type"),
        ({"messages": [user({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_reference"}]})]},
         "messages.0.content.0.content.0.type"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]}, "tools.0.type"),
    ],
)  # fmt: skip
def test_what_only_anthropic_can_do_is_refused(fields, param):
    with pytest.raises(Unsupported) as refused:
        read(**fields)
    assert refused.value.param == param and param in refused.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages.0.content"),
        ({"messages": [user({"type": "text"})]}, "messages.0.content.0.text"),
        ({"messages": [user({"type": "text", "text": 5, "hue": 1})]}, "messages.0.content.0.text"),
        ({"messages": [user({"type": "image", "source": {"type": "url"}})]}, "messages.0.content.0.source.url"),
        ({"messages": [user({"type": "image", "source": {"type": "base64", "data": "x"}})]},
         "messages.0.content.0.source.media_type"),
        ({"messages": [user({"type": "tool_result"})]}, "messages.0.content.0.tool_use_id"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f"}]}]},
         "messages.0.content.0.input"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {}}]}]},
         "messages.0.content.0.id"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "input": {}}]}]},
         "messages.0.content.0.name"),
        ({"messages": [{"role": "assistant", "content": [{"type": "thinking", "signature": "s"}]}]},
         "messages.0.content.0.thinking"),
        ({"system": [{"type": "image"}]}, "system.0.type"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tools": [{"name": "f"}]}, "tools.0.input_schema"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"output_config": {"effort": "extreme"}}, "output_config.effort"),
    ],
)  # fmt: skip
def test_each_refusal_names_its_field(fields, param):
    with pytest.raises(InvalidRequest) as refused:
        read(**fields)
    assert refused.value.param == param and param in refused.value.message and refused.value.status == 400


@pytest.mark.parametrize("depth", [400, 100_000])
def test_a_body_nested_too_deeply(depth):
    content = '[{"type":"tool_result","tool_use_id":"a","content":' * depth + '"x"' + "}]" * depth
    data = '{"model":"m","max_tokens":5,"messages":[{"role":"user","hue":1,"content":' + content + "}]}"
    with pytest.raises(InvalidRequest):
        DIALECT.read_request(Body(data.encode()))


def test_required_fields():
    for name in ("model", "max_tokens", "messages"):
        fields = {"model": "m", "max_tokens": 1, "messages": [USER]}
        del fields[name]
        with pytest.raises(InvalidRequest) as refused:
            DIALECT.read_request(Body(json.dumps(fields).encode()))
        assert refused.value.param == name and "required" in refused.value.message


def test_a_relayed_body_changes_in_its_model_only():
    data = b'{ "model" : "anthropic/m",\t"max_tokens":1e2, "options":{"a":1}, "messages":[ ], "unknown":1.0 }'
    relayed = DIALECT.relay_request(Body(data), 'x"y')
    assert relayed.body == b'{ "model" : "x\\"y",\t"max_tokens":1e2, "messages":[ ], "unknown":1.0 }'
    assert relayed.filter is None
    assert DIALECT.relay_request(Body(b'{"model":"a","gateway":{"id":"g"}}'), "b").body == b'{"model":"b"}'
