"""What callers send, read: the whole vocabulary, and each refusal with the field it names."""

from __future__ import annotations

import json

import pytest

from isthmus.core.request import (
    AnswerFormat,
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
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_responses import DIALECT

CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
USER = {"role": "user", "content": "Hello."}


def body(**fields):
    return Body(json.dumps({"model": "m", "input": "Hello.", **fields}).encode())


def read(**fields):
    return DIALECT.read_request(body(**fields))


def turns(*items):
    return read(input=list(items)).messages


def says(role, *texts):
    return Message(role=role, parts=tuple(Text(text=text) for text in texts))


def test_the_least_there_is():
    chat = read()
    assert chat.model == "m" and chat.messages == (says("user", "Hello."),)
    assert not chat.stream and chat.unplaced == () and chat.max_tokens is None and chat.answer_format is None


def test_instructions_come_first():
    assert read(instructions="Be.", input=[USER]).messages == (says("system", "Be."), says("user", "Hello."))
    assert read(instructions="").messages == read().messages


def test_messages_of_every_role():
    parts = [
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "high"},
        {"type": "input_image", "image_url": "data:image/png;base64,aGk="},
    ]
    assert turns(
        {"type": "message", "role": "developer", "content": "D"},
        {"role": "system", "content": [{"type": "input_text", "text": "S"}]},
        {"role": "user", "content": parts},
    ) == (
        says("developer", "D"),
        says("system", "S"),
        Message(
            role="user",
            parts=(
                Text(text="See"),
                Image(url="https://example.com/a.png", detail="high"),
                Image(base64="aGk=", media_type="image/png"),
            ),
        ),
    )


def test_a_turn_of_the_assistant_is_put_together():
    reasoning = {"type": "reasoning", "id": "rs", "encrypted_content": "e",
                 "summary": [{"type": "summary_text", "text": "A"}, {"type": "summary_text", "text": "B"}]}  # fmt: skip
    content = [{"type": "output_text", "text": "So.", "annotations": []}, {"type": "refusal", "refusal": "No."}]
    message = {"type": "message", "id": "msg", "status": "completed", "role": "assistant", "content": content}
    output = {"type": "function_call_output", "call_id": "a", "output": "1"}
    assert turns(USER, reasoning, message, CALL, CALL | {"call_id": "b"}, output, USER) == (
        says("user", "Hello."),
        Message(
            role="assistant",
            parts=(
                Reasoning(text="A\n\nB", signature="e"),
                Text(text="So."),
                Refusal(text="No."),
                ToolCall(id="a", name="f", arguments="{}"),
                ToolCall(id="b", name="f", arguments="{}"),
            ),
        ),
        Message(role="tool", parts=(ToolResult(call_id="a", parts=(Text(text="1"),)),)),
        says("user", "Hello."),
    )


def test_reasoning_without_a_summary():
    content = [{"type": "reasoning_text", "text": "Hm."}]
    assert turns(USER, {"type": "reasoning", "summary": [], "content": content})[1].parts == (Reasoning(text="Hm."),)
    assert len(turns(USER, {"type": "reasoning", "id": "rs", "summary": []})) == 1


def test_the_output_of_a_function_may_be_parts():
    parts = [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "data:image/png;base64,aGk="}]
    assert turns({"type": "function_call_output", "call_id": "a", "output": parts})[0].parts == (
        ToolResult(call_id="a", parts=(Text(text="x"), Image(base64="aGk=", media_type="image/png"))),
    )


def test_tools():
    schema = {"type": "object", "properties": {}}
    chat = read(
        tools=[
            {"type": "function", "name": "f", "description": "F", "parameters": schema, "strict": True},
            {"type": "function", "name": "g"},
        ]
    )
    assert chat.tools == (Tool(name="f", description="F", parameters=schema, strict=True), Tool(name="g"))


@pytest.mark.parametrize(
    ("sent", "choice"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ({"type": "function", "name": "f"}, ToolChoice(mode="named", name="f")),
        (None, None),
    ],
)
def test_tool_choices(sent, choice):
    assert read(tool_choice=sent).tool_choice == choice


def test_sampling_and_the_rest():
    chat = read(
        max_output_tokens=20, temperature=2, top_p=0.5, reasoning={"effort": "xhigh"}, stream=True, store=False,
        parallel_tool_calls=False, safety_identifier="s",
    )  # fmt: skip
    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.effort) == (20, 2.0, 0.5, "xhigh")
    assert (chat.stream, chat.parallel_tool_calls, chat.user) == (True, False, "s")


def test_answer_formats():
    schema = {"type": "object"}
    stated = {"type": "json_schema", "name": "n", "schema": schema, "strict": True, "description": "d"}
    assert read(text={"format": stated}).answer_format == AnswerFormat(
        name="n", schema=schema, strict=True, description="d"
    )
    assert read(text={"format": {"type": "json_object"}}).answer_format == AnswerFormat()
    assert read(text={"format": {"type": "text"}}).answer_format is None
    assert read(text={}).answer_format is None


def test_what_has_no_place_is_named():
    chat = read(
        input=[USER | {"phase": "commentary"}],
        text={"verbosity": "low"},
        reasoning={"effort": "low", "summary": "auto"},
        user="u", safety_identifier="s", prompt_cache_key="k", metadata={"a": "b"}, client_metadata={"c": "d"},
        truncation="auto", max_tool_calls=3,
    )  # fmt: skip
    assert sorted(chat.unplaced) == [
        "client_metadata", "input.phase", "max_tool_calls", "metadata", "prompt_cache_key", "reasoning.summary",
        "safety_identifier", "text.verbosity", "truncation",
    ]  # fmt: skip
    assert chat.user == "u"


def test_what_asks_for_nothing_is_not_named():
    chat = read(
        include=["reasoning.encrypted_content"], truncation="disabled", service_tier="auto", metadata={},
        top_logprobs=0, stream_options={"include_obfuscation": False}, previous_response_id=None, background=False,
        prompt=None, store=False, conversation=None,
    )  # fmt: skip
    assert chat.unplaced == ()


def test_conversations_are_not_kept():
    for name, value in (
        ("store", True),
        ("background", True),
        ("previous_response_id", "resp_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
    ):
        with pytest.raises(Unsupported) as refused:
            read(**{name: value})
        assert refused.value.param == name and refused.value.status == 400 and f"`{name}`" in refused.value.message


PART = {"type": "input_file", "file_id": "x"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0.type"),
        ({"input": [USER, {"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "x"}]}, "input.1.type"),
        ({"input": [{"type": "computer_call_output", "call_id": "a", "output": {"type": "x"}}]}, "input.0.type"),
        ({"input": [{"role": "user", "content": [PART]}]}, "input.0.content.0.type"),
        ({"input": [{"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}]}, "input.0.content.0.type"),
        ({"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "x"}]}]},
         "input.0.content.0.type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}]},
         "input.0.content.0.image_url"),
        ({"input": [{"type": "function_call_output", "call_id": "a", "output": [PART]}]}, "input.0.output.0.type"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"type": "custom", "name": "f", "format": {"type": "grammar"}}]}, "tools.0.type"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice.type"),
    ],
)  # fmt: skip
def test_what_only_openai_can_do_is_refused(fields, param):
    with pytest.raises(Unsupported) as refused:
        read(**fields)
    assert refused.value.param == param and param in refused.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input.0"),
        ({"input": [{"content": "x"}]}, "input.0.role"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role"),
        ({"input": [{"role": "user"}]}, "input.0.content"),
        ({"input": [{"role": "user", "content": {"text": "x"}}]}, "input.0.content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input.0.content.0.text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]}]},
         "input.0.content.0.image_url"),
        ({"input": [{"role": "assistant", "content": [{"type": "refusal"}]}]}, "input.0.content.0.refusal"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input.0.call_id"),
        ({"input": [{"type": "function_call", "call_id": "a", "arguments": "{}"}]}, "input.0.name"),
        ({"input": [{"type": "function_call", "call_id": "a", "name": "f", "arguments": {}}]}, "input.0.arguments"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input.0.call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "a"}]}, "input.0.output"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"tools": [{"name": "f"}]}, "tools.0.type"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools.0.name"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 2.5}, "temperature"),
        ({"reasoning": {"effort": "extreme"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"stream": "yes"}, "stream"),
    ],
)  # fmt: skip
def test_each_refusal_names_its_field(fields, param):
    with pytest.raises(InvalidRequest) as refused:
        read(**fields)
    assert refused.value.param == param and param in refused.value.message and refused.value.status == 400


def test_a_relayed_body_changes_in_its_model_only():
    data = b'{ "model" : "openai/m","store":true ,"options":{"a":1}, "input":[ ], "unknown":1.0 }'
    relayed = DIALECT.relay_request(Body(data), "gpt")
    assert relayed.body == b'{ "model" : "gpt","store":true, "input":[ ], "unknown":1.0 }'
    assert relayed.filter is None
    assert DIALECT.relay_request(Body(b'{"gateway":{"id":"g"},"model":"a"}'), "b").body == b'{"model":"b"}'
