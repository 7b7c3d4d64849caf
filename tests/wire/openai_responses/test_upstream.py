"""What is sent to OpenAI for a conversation in nobody's words."""

from __future__ import annotations

import json

import msgspec
import pytest

from isthmus.core.request import (
    AnswerFormat,
    Chat,
    Image,
    Message,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from isthmus.wire.openai_responses import DIALECT

TOOL = Tool(name="f")


def says(role, *texts, **more):
    return Message(role=role, parts=tuple(Text(text=text) for text in texts), **more)


HELLO = says("user", "Hello.")


@pytest.fixture
def write(validate):
    def written(*messages, **fields):
        chat = Chat(model="ours", messages=messages or (HELLO,), **fields)
        out = DIALECT.write_request(chat, "gpt")
        asked = json.loads(out.body)
        validate("CreateResponse", asked)
        return asked, out.lost

    return written


def test_the_least_there_is(write):
    asked, lost = write()
    hello = {"type": "message", "role": "user", "content": "Hello."}
    assert asked == {"model": "gpt", "input": [hello], "store": False, "stream": False}
    assert lost == ()


def test_instructions_keep_their_place(write):
    asked, lost = write(says("system", "A"), HELLO, says("developer", "B", "C"))
    assert [(item["role"], item["content"]) for item in asked["input"]] == [
        ("system", "A"),
        ("user", "Hello."),
        ("developer", [{"type": "input_text", "text": "B"}, {"type": "input_text", "text": "C"}]),
    ]
    assert "instructions" not in asked and lost == ()


def test_an_assistants_turn_is_taken_apart(write):
    call, later = ToolCall(id="a", name="f", arguments='{"x":1}'), ToolCall(id="b", name="g", arguments="")
    parts = (Reasoning(text="Hm.", signature="s"), Text(text="S"), Text(text="o"), call, Text(text="And"), later)
    asked, lost = write(HELLO, Message(role="assistant", parts=parts))
    assert asked["input"][1:] == [
        {"type": "message", "role": "assistant", "content": "So"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'},
        {"type": "message", "role": "assistant", "content": "And"},
        {"type": "function_call", "call_id": "b", "name": "g", "arguments": "{}"},
    ]
    assert lost == ("messages.reasoning",)


def test_a_refusal_stays_one(write):
    refused = Message(role="assistant", parts=(Text(text="Hm."), Refusal(text="No.")))
    asked, lost = write(HELLO, refused, HELLO, refused)
    first, second = asked["input"][1], asked["input"][3]
    assert first["content"] == [
        {"type": "output_text", "text": "Hm.", "annotations": [], "logprobs": []},
        {"type": "refusal", "refusal": "No."},
    ]
    assert first["id"] != second["id"] and first["id"].startswith("msg_") and lost == ()


def test_the_results_of_tools(write):
    image = Image(base64="aGk=", media_type="image/png")
    results = (
        ToolResult(call_id="a", parts=(Text(text="1"),)),
        ToolResult(call_id="b", parts=(Text(text="1"),), is_error=True),
        ToolResult(call_id="c", parts=()),
        ToolResult(call_id="d", parts=(), is_error=True),
        ToolResult(call_id="e", parts=(image,), is_error=True),
    )
    asked, lost = write(*(Message(role="tool", parts=(result,)) for result in results))
    picture = {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"}
    assert [(item["call_id"], item["output"]) for item in asked["input"]] == [
        ("a", "1"),
        ("b", "Error: 1"),
        ("c", ""),
        ("d", "Error: "),
        ("e", [{"type": "input_text", "text": "Error:"}, picture]),
    ]
    assert lost == ()


def test_images_and_names(write):
    image = Image(url="https://example.com/a.png", detail="low")
    asked, lost = write(Message(role="user", parts=(image,), name="Ada"))
    assert asked["input"][0]["content"] == [
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"}
    ]
    assert lost == ("messages.name",)


def test_tools_say_whether_they_are_strict(write):
    schema = {"type": "object", "properties": {"x": {}}}
    tools = (Tool(name="f", description="F", parameters=schema, strict=True), TOOL)
    asked, _ = write(tools=tools, tool_choice=ToolChoice(mode="named", name="f"), parallel_tool_calls=True)
    empty = {"type": "object", "properties": {}}
    assert asked["tools"] == [
        {"type": "function", "name": "f", "description": "F", "parameters": schema, "strict": True},
        {"type": "function", "name": "f", "description": None, "parameters": empty, "strict": False},
    ]
    assert asked["tool_choice"] == {"type": "function", "name": "f"} and asked["parallel_tool_calls"] is True
    assert write(tools=(TOOL,), tool_choice=ToolChoice(mode="required"))[0]["tool_choice"] == "required"
    assert "tool_choice" not in write(tool_choice=ToolChoice(mode="auto"))[0]


@pytest.mark.parametrize(
    ("fields", "sent", "lost"),
    [
        ({"max_tokens": 100, "temperature": 1.5, "top_p": 0.5},
         {"max_output_tokens": 100, "temperature": 1.5, "top_p": 0.5}, ()),
        ({"max_tokens": 5}, {"max_output_tokens": 16}, ("max_tokens",)),
        ({"stop": ("x",), "seed": 1, "top_k": 2, "frequency_penalty": 0.1, "presence_penalty": 0.1}, {},
         ("top_k", "stop", "seed", "frequency_penalty", "presence_penalty")),
        ({"frequency_penalty": 0.0}, {}, ()),
        ({"effort": "low"}, {"reasoning": {"effort": "low"}}, ()),
        ({"effort": "max"}, {"reasoning": {"effort": "xhigh"}}, ("effort",)),
        ({"thinking_budget": 0}, {"reasoning": {"effort": "none"}}, ()),
        ({"thinking_budget": 1024}, {"reasoning": {"effort": "low"}}, ()),
        ({"thinking_budget": 8192}, {"reasoning": {"effort": "medium"}}, ()),
        ({"thinking_budget": 8193}, {"reasoning": {"effort": "high"}}, ()),
        ({"user": "u"}, {"user": "u"}, ()),
        ({"answer_format": AnswerFormat()}, {"text": {"format": {"type": "json_object"}}}, ()),
        ({"answer_format": AnswerFormat(name="n", schema={"type": "object"}, description="d")},
         {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "description": "d",
                              "strict": False}}}, ()),
    ],
)  # fmt: skip
def test_sampling_and_the_rest(write, fields, sent, lost):
    asked, named = write(**fields)
    rest = {name: value for name, value in asked.items() if name not in ("model", "input", "store", "stream")}
    assert rest == sent and named == lost


def test_every_field_of_a_chat_is_written_or_named(write):
    """A field that is added to `Chat` must be placed here, or be named as lost."""
    told = {
        "tools": (TOOL,), "tool_choice": ToolChoice(mode="auto"), "parallel_tool_calls": False, "max_tokens": 90,
        "temperature": 0.5, "top_p": 0.5, "top_k": 5, "stop": ("x",), "seed": 5, "frequency_penalty": 0.5,
        "presence_penalty": 0.5, "answer_format": AnswerFormat(schema={"type": "object"}), "effort": "low",
        "thinking_budget": 2000, "user": "u", "stream": True,
    }  # fmt: skip
    ours = {"model", "messages", "include_usage", "unplaced"}
    assert set(told) | ours == {field.name for field in msgspec.structs.fields(Chat)}
    plainly, _ = write(tools=(TOOL,))
    for name, value in told.items():
        asked, lost = write(**{"tools": (TOOL,), name: value})
        assert name == "tools" or asked != plainly or lost == (name,), name
