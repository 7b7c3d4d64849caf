"""The native form of text generation, read from callers and written for platform models."""

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
from isthmus.wire.workers_ai import WORKERS_AI

HELLO = Message(role="user", parts=(Text(text="Hello"),))
FLAT_TOOL = {"name": "weather", "description": "w", "parameters": {"type": "object"}}
TOOL = Tool(name="weather", description="w", parameters={"type": "object"})


def read(**fields: Any) -> Chat:
    return WORKERS_AI.read_request(Body(msgspec.json.encode(fields)))


def test_a_prompt_is_one_turn_and_256_tokens() -> None:
    assert read(prompt="Hello") == Chat(model="", messages=(HELLO,), max_tokens=256)


def test_every_parameter_has_its_place() -> None:
    chat = read(
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        stream=True,
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        seed=3,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        stop="END",
        tools=[FLAT_TOOL],
        tool_choice="required",
    )
    assert chat == Chat(
        model="",
        messages=(Message(role="system", parts=(Text(text="Be brief."),)), HELLO),
        stream=True,
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        seed=3,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        stop=("END",),
        tools=(TOOL,),
        tool_choice=ToolChoice(mode="required"),
    )


def test_tools_in_either_shape() -> None:
    assert read(prompt="x", tools=[FLAT_TOOL]) == read(prompt="x", tools=[{"type": "function", "function": FLAT_TOOL}])


@pytest.mark.parametrize(
    ("given", "placed"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, AnswerFormat()),
        ({"type": "json_schema", "json_schema": {"type": "object"}}, AnswerFormat(schema={"type": "object"})),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            AnswerFormat(name="n", schema={"type": "object"}),
        ),
    ],
)
def test_the_schema_of_an_answer_is_bare(given: Any, placed: AnswerFormat | None) -> None:
    assert read(prompt="x", response_format=given).answer_format == placed


def test_what_has_no_place_is_named() -> None:
    chat = read(prompt="x", raw=True, lora="l", repetition_penalty=1.2, options={}, gateway={"id": "g"})
    assert chat.unplaced == ("lora", "raw", "repetition_penalty")
    assert read(prompt="x", raw=False, repetition_penalty=1).unplaced == ()


def turns(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return read(messages=list(messages)).messages


def called(*calls: tuple[str, str, str]) -> Message:
    return Message(role="assistant", parts=tuple(ToolCall(id=i, name=n, arguments=a) for i, n, a in calls))


def result(call_id: str, text: str) -> Message:
    return Message(role="tool", parts=(ToolResult(call_id=call_id, parts=(Text(text=text),)),))


def test_tool_turns_as_clients_send_them() -> None:
    function = {"name": "weather", "arguments": '{"at":"Bern"}'}
    assert turns(
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": function}]},
        {"role": "tool", "name": "weather", "tool_call_id": "a", "content": "sunny"},
    ) == (called(("a", "weather", '{"at":"Bern"}')), result("a", "sunny"))


def test_tool_turns_without_ids_are_matched_by_name_and_order() -> None:
    calls = [{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": {}}, {"name": "f"}]
    assert turns(
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "name": "g", "content": "1"},
        {"role": "tool", "name": "f", "content": "2"},
        {"role": "tool", "content": "3"},
    )[1:] == (
        called(("call_1_0", "f", '{"x":1}'), ("call_1_1", "g", "{}"), ("call_1_2", "f", "")),
        result("call_1_1", "1"),
        result("call_1_0", "2"),
        result("call_1_2", "3"),
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "messages"),
        ({"prompt": "x", "messages": []}, "prompt"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "messages.0.tool_calls.0.name"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "tools": [{"description": "x"}]}, "tools.0.name"),
        ({"prompt": "x", "tool_choice": "required"}, "tool_choice"),
        ({"prompt": "x", "response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_what_is_wrong_is_refused_by_its_path(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"functions": [{"name": "f", "code": "x"}]}, "functions"),
        ({"image": [1, 2]}, "image"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
    ],
)
def test_what_cannot_be_served_is_said_to_be_so(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Unsupported) as caught:
        read(prompt="x", **fields)
    assert isinstance(caught.value, RequestError)
    assert caught.value.param == param


# --- written --------------------------------------------------------------------------------------------------------


def written(chat: Chat) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(WORKERS_AI.write_request(chat, "@cf/x/y").body)
    return decoded


def test_a_request_for_a_platform_model() -> None:
    chat = Chat(
        model="m",
        messages=(
            Message(role="developer", parts=(Text(text="Be brief."),)),
            Message(role="user", parts=(Text(text="See."), Image(base64="iVBO", media_type="image/png"))),
            called(("a", "weather", "{}")),
            result("a", "sunny"),
            Message(role="assistant", parts=(Refusal(text="No."),)),
        ),
        tools=(TOOL, Tool(name="other")),
        tool_choice=ToolChoice(mode="named", name="weather"),
        top_k=3,
        stop=("END",),
        answer_format=AnswerFormat(name="n", schema={"type": "object"}),
        stream=True,
    )
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    assert written(chat) == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "See."}, picture]},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "a", "content": "sunny", "name": "weather"},
            {"role": "assistant", "content": "No."},
        ],
        "tools": [{"type": "function", "function": FLAT_TOOL}],
        "tool_choice": "required",
        "top_k": 3,
        "stop": ["END"],
        "response_format": {"type": "json_schema", "json_schema": {"type": "object"}},
        "stream": True,
    }


def test_what_it_cannot_carry_is_named() -> None:
    thought = Message(role="assistant", parts=(Reasoning(text="Hm."), Text(text="Yes.")))
    chat = Chat(
        model="m",
        messages=(HELLO, thought),
        effort="low",
        user="u",
        parallel_tool_calls=True,
        answer_format=AnswerFormat(description="d"),
    )
    lost = ("answer_format.description", "effort", "messages.reasoning", "parallel_tool_calls", "user")
    assert WORKERS_AI.write_request(chat, "x").lost == lost


def test_a_relayed_body_loses_what_is_ours_and_nothing_else() -> None:
    body = Body(b'{"prompt":"x", "options":{}, "gateway":{"id":"g"},"lora":"l"}')
    assert WORKERS_AI.relay_request(body, "@cf/x/y").body == b'{"prompt":"x","lora":"l"}'
    plain = Body(b'{"prompt":"x","stream":true}')
    assert WORKERS_AI.relay_request(plain, "@cf/x/y").body is plain.data
