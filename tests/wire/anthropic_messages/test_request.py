"""What callers send, read: the whole vocabulary, and each refusal with the field it names."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.request import (
    AnswerFormat,
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
from isthmus.errors import InvalidRequest
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


def called(*ids):
    return {"role": "assistant", "content": [{"type": "tool_use", "id": id_, "name": "f", "input": {}} for id_ in ids]}


def notes(chat):
    """The receipt as "l:field" for what was lost and "e:field" for what was brought about by other means."""
    return tuple(f"{note.fate[0]}:{note.field}" for note in chat.unplaced)


def block(kind, source, **more):
    return {"type": kind, "source": source, **more}


PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
TEXT = {"type": "text", "text": "One."}


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
        USER,
        called("a", "b"),
        user({"type": "text", "text": "See."}, {"type": "tool_result", "tool_use_id": "a", "content": "1"}, result),
    )
    assert read_turns[2:] == (
        Message(role="tool", parts=(ToolResult(call_id="a", parts=(Text(text="1"),)),)),
        Message(
            role="tool",
            parts=(ToolResult(call_id="b", parts=(Text(text="2"), Image(url="https://example.com/a.png"))),),
        ),
        Message(role="user", parts=(Text(text="See."),)),
    )


def test_a_failed_and_an_empty_tool_result():
    failed = {"type": "tool_result", "tool_use_id": "a", "is_error": True}
    assert turns(USER, called("a"), user(failed))[2:] == (
        Message(role="tool", parts=(ToolResult(call_id="a", parts=(), is_error=True),)),
    )


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
        Reasoning(text="Hm.", signature=Opaque(origin="anthropic", data="s")),
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
    ("fields", "effort", "budget", "summary", "unplaced"),
    [
        ({}, None, None, None, ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, None, 2000, "auto", ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}}, None, 2000, "none", ()),
        ({"thinking": {"type": "disabled"}}, "none", None, None, ()),
        ({"thinking": {"type": "adaptive"}}, None, -1, "auto", ()),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, None, -1, "auto", ()),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max", None, "auto", ()),
        ({"thinking": {"type": "between_tools"}}, None, -1, "auto", ("e:thinking",)),
        ({"output_config": {"effort": "low"}}, "low", None, None, ()),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "low"}},
            None,
            1024,
            "auto",
            ("l:output_config.effort",),
        ),
        (
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}},
            "none",
            None,
            None,
            ("l:output_config.effort",),
        ),
    ],
)
def test_thinking(fields, effort, budget, summary, unplaced):
    chat = read(**fields)
    assert (chat.effort, chat.thinking_budget, chat.summary, notes(chat)) == (effort, budget, summary, unplaced)


@pytest.mark.parametrize(("said", "tier"), [(None, None), ("auto", "auto"), ("standard_only", "default")])
def test_service_tiers(said, tier):
    assert read(service_tier=said).service_tier == tier


def test_answer_formats():
    stated = {"type": "json_schema", "schema": {"type": "object"}}
    wanted = AnswerFormat(schema={"type": "object"}, strict=True)
    assert read(output_config={"format": stated}).answer_format == wanted
    assert read(output_format=stated).answer_format == wanted


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
        ({"messages": [user({"type": "tool_result", "tool_use_id": "a", "content": {}})]},
         "messages.0.content.0.content"),
        ({"messages": [user(block("image", {"type": "url", "url": "file:///etc/passwd"}))]},
         "messages.0.content.0.source.url"),
        ({"messages": [user(block("image", PNG | {"data": "no base64"}))]}, "messages.0.content.0.source.data"),
        ({"messages": [user(block("image", PNG | {"data": PDF["data"]}))]}, "messages.0.content.0.source.data"),
        ({"messages": [user(block("image", PDF))]}, "messages.0.content.0.source.media_type"),
        ({"messages": [user(block("document", PDF | {"data": PNG["data"]}))]}, "messages.0.content.0.source.data"),
        ({"messages": [user(block("document", {"type": "text"}))]}, "messages.0.content.0.source.data"),
        ({"messages": [user(block("document", {"type": "file"}))]}, "messages.0.content.0.source.file_id"),
        ({"messages": [user(block("document", {"type": "content", "content": [5]}))]},
         "messages.0.content.0.source.content"),
        ({"messages": [user(block("search_result", 5, content=[]))]}, "messages.0.content.0.source"),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "redacted_thinking"}]}]},
         "messages.1.content.0.data"),
        ({"cache_control": {"type": "eternal"}}, "cache_control.type"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"tools": [5]}, "tools.0"),
        ({"tools": [{"type": 5}]}, "tools.0.type"),
        ({"tools": [{"name": "f", "input_schema": []}]}, "tools.0.input_schema"),
        ({"tools": [{"name": "f", "input_schema": {}}, {"name": "g", "input_schema": {}, "strict": 1}]},
         "tools.1.strict"),
        ({"tools": [{"type": "web_search_20250305", "max_uses": "x"}]}, "tools.0.max_uses"),
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


@pytest.mark.parametrize(
    "messages",
    [
        [user({"type": "tool_result", "tool_use_id": "a"})],
        [USER, called("a", "a")],
        [USER, called("a"), user(*({"type": "tool_result", "tool_use_id": "a"},) * 2)],
    ],
)
def test_calls_and_results_that_do_not_match(messages):
    with pytest.raises(InvalidRequest) as refused:
        read(messages=messages)
    assert refused.value.param == "messages" and "'a'" in refused.value.message


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
