"""What callers send, read; and what is refused, by the name of the field."""

from __future__ import annotations

from typing import Any

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
from isthmus.errors import InvalidRequest, RequestError, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import OPENAI_CHAT

HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def read(messages: Any = HELLO, **fields: Any) -> Chat:
    return OPENAI_CHAT.read_request(Body(msgspec.json.encode({"model": "a/b", "messages": messages, **fields})))


def refusal(messages: Any = HELLO, **fields: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(messages, **fields)
    assert caught.value.status == 400
    return caught.value


def test_the_least_there_can_be() -> None:
    said = Message(role="user", parts=(Text(text="Hello"),))
    assert read() == Chat(model="a/b", messages=(said,), include_usage=False)


def test_a_whole_conversation() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"at":"Bern"}'}}
    chat = read(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {
                "role": "user",
                "name": "ann",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "data:image/PNG;name=a.png;base64,iVBO"}},
                ],
            },
            {
                "role": "assistant",
                "content": "",
                "reasoning_content": "Hm.",
                "tool_calls": [call, {**call, "id": "c2"}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "rain"}]},
            {"role": "assistant", "content": None, "refusal": "No.", "annotations": [], "audio": None},
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]},
            {"role": "user", "content": ""},
        ]
    )
    made = ToolCall(id="call_1", name="weather", arguments='{"at":"Bern"}')
    assert chat.unplaced == ()
    assert chat.messages == (
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(role="developer", parts=(Text(text="Be kind."),)),
        Message(
            role="user",
            name="ann",
            parts=(
                Text(text="What is this?"),
                Image(url="https://x.test/a.png", detail="low"),
                Image(base64="iVBO", media_type="image/png"),
            ),
        ),
        Message(role="assistant", parts=(Reasoning(text="Hm."), made, msgspec.structs.replace(made, id="c2"))),
        Message(role="tool", parts=(ToolResult(call_id="call_1", parts=(Text(text="sunny"),)),)),
        Message(role="tool", parts=(ToolResult(call_id="c2", parts=(Text(text="rain"),)),)),
        Message(role="assistant", parts=(Refusal(text="No."),)),
        Message(role="assistant", parts=(Text(text="a"), Refusal(text="b"))),
        Message(role="user", parts=(Text(text=""),)),
    )


def test_every_parameter_has_its_place() -> None:
    chat = read(
        max_tokens=5,
        max_completion_tokens=7,
        temperature=0.5,
        top_p=1,
        stop="END",
        seed=3,
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        n=1,
        tools=[WEATHER],
        parallel_tool_calls=False,
        reasoning_effort="low",
        user="u",
        stream=True,
        stream_options={"include_usage": True},
    )
    said = Message(role="user", parts=(Text(text="Hello"),))
    assert chat == Chat(
        model="a/b",
        messages=(said,),
        tools=(Tool(name="weather", parameters={"type": "object"}),),
        parallel_tool_calls=False,
        max_tokens=7,
        temperature=0.5,
        top_p=1.0,
        stop=("END",),
        seed=3,
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        effort="low",
        user="u",
        stream=True,
        include_usage=True,
    )


def test_null_is_absent() -> None:
    names = (
        "max_tokens max_completion_tokens temperature top_p stop seed frequency_penalty presence_penalty n tools "
        "tool_choice parallel_tool_calls response_format reasoning_effort user stream stream_options logprobs functions"
    )
    assert read(**dict.fromkeys(names.split())) == read()


@pytest.mark.parametrize(
    ("fields", "placed"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"stop": ["a", "b"]}, {"stop": ("a", "b")}),
        ({"stop": []}, {"stop": ()}),
        ({"safety_identifier": "s"}, {"user": "s"}),
        ({"tools": [WEATHER], "tool_choice": "auto"}, {"tool_choice": ToolChoice(mode="auto")}),
        ({"tool_choice": "none"}, {"tool_choice": ToolChoice(mode="none")}),
        ({"tools": [WEATHER], "tool_choice": "required"}, {"tool_choice": ToolChoice(mode="required")}),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
            {"tool_choice": ToolChoice(mode="named", name="weather")},
        ),
        ({"response_format": {"type": "text"}}, {"answer_format": None}),
        ({"response_format": {"type": "json_object"}}, {"answer_format": AnswerFormat()}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "strict": True, "description": "d", "schema": {"type": "object"}},
                }
            },
            {"answer_format": AnswerFormat(name="n", schema={"type": "object"}, strict=True, description="d")},
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"type": "object", "properties": {}}}},
            {"answer_format": AnswerFormat(schema={"type": "object", "properties": {}})},
        ),
        ({"stream": True, "stream_options": {"include_usage": False}}, {"include_usage": False}),
    ],
)
def test_where_a_parameter_goes(fields: dict[str, Any], placed: dict[str, Any]) -> None:
    chat = read(**fields)
    assert {name: getattr(chat, name) for name in placed} == placed
    assert chat.unplaced == ()


def test_what_has_no_place_is_named_and_what_is_ours_is_not() -> None:
    chat = read(
        [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}],
        user="u",
        safety_identifier="s",
        logit_bias={"1": 2},
        top_k=4,
        store=False,
        metadata={"a": "b"},
        logprobs=True,
        options={"rejectIfBusy": True},
        gateway={"id": "x"},
    )
    assert chat.unplaced == (
        "logit_bias",
        "logprobs",
        "messages.content.cache_control",
        "metadata",
        "safety_identifier",
        "top_k",
    )


def test_audio_of_an_earlier_turn_is_named() -> None:
    chat = read([*HELLO, {"role": "assistant", "content": "a", "audio": {"id": "audio_1"}}])
    assert chat.unplaced == ("messages.audio",)


def test_the_input_of_run_has_no_model() -> None:
    assert OPENAI_CHAT.read_request(Body(b'{"messages":[{"role":"user","content":"x"}]}')).model == ""


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ("Hello", "messages"),
        ([{"content": "x"}], "messages.0.role"),
        ([{"role": "robot", "content": "x"}], "messages.0.role"),
        ([{"role": "user"}], "messages.0.content"),
        ([{"role": "user", "content": None}], "messages.0.content"),
        ([{"role": "user", "content": 3}], "messages.0.content"),
        ([{"role": "user", "content": []}], "messages.0.content"),
        ([*HELLO, {"role": "tool", "content": "x"}], "messages.1.tool_call_id"),
        ([{"role": "user", "content": "x", "tool_calls": [{"id": "1"}]}], "messages.0.tool_calls"),
        ([{"role": "assistant", "tool_calls": [{"id": "1"}]}], "messages.0.tool_calls.0.function"),
        ([{"role": "assistant", "tool_calls": [{"id": "", "function": {"name": "f"}}]}], "messages.0.tool_calls.0.id"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}], "messages.0.tool_calls.0.id"),
        (user({"text": "x"}), "messages.0.content.0.type"),
        (user({"type": "text"}), "messages.0.content.0.text"),
        (user({"type": "image_url"}), "messages.0.content.0.image_url"),
        (user({"type": "video", "text": "x"}), "messages.0.content.0.type"),
        (user({"type": "refusal", "refusal": "x"}), "messages.0.content.0.type"),
        (user({"type": "image_url", "image_url": {"url": "ftp://x"}}), "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:text/plain,x"}}), "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": "https://x"}), "messages.0.content.0.image_url"),
    ],
)
def test_a_wrong_message_is_refused_by_its_path(messages: Any, param: str) -> None:
    error = refusal(messages)
    assert isinstance(error, InvalidRequest)
    assert error.param == param
    assert f"`{param}" in error.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": [1]}, "stop.0"),
        ({"n": 0}, "n"),
        ({"tools": [{"type": "function"}]}, "tools.0.function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools.0.function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice.function.name",
        ),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": 3}}}, "response_format.json_schema"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert isinstance(error, InvalidRequest)
    assert error.param == param
    assert f"`{param}`" in error.message


@pytest.mark.parametrize(
    ("messages", "fields", "param"),
    [
        ([{"role": "function", "name": "f", "content": "x"}], {}, "messages.0.role"),
        ([{"role": "assistant", "function_call": {"name": "f"}}], {}, "messages.0.function_call"),
        (user({"type": "input_audio", "input_audio": {}}), {}, "messages.0.content.0.type"),
        (user({"type": "file", "file": {}}), {}, "messages.0.content.0.type"),
        ([{"role": "assistant", "tool_calls": [{"id": "1", "type": "custom"}]}], {}, "messages.0.tool_calls.0.type"),
        (HELLO, {"n": 2}, "n"),
        (HELLO, {"functions": [{"name": "f"}]}, "functions"),
        (HELLO, {"function_call": "auto"}, "function_call"),
        (HELLO, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools.0.type"),
        (HELLO, {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
    ],
)
def test_what_cannot_be_served_is_said_to_be_so(messages: Any, fields: dict[str, Any], param: str) -> None:
    error = refusal(messages, **fields)
    assert isinstance(error, Unsupported)
    assert error.param == param
