"""The native form of text generation, read from callers and written for platform models."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    CacheMark,
    Chat,
    Citation,
    CustomTool,
    Image,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from isthmus.errors import InvalidRequest, RequestError, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.sealed import seal_id
from isthmus.wire.workers_ai import WORKERS_AI

PNG = "iVBORw0KGgoAAAANSUhEUg=="
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
    assert {(note.field, note.fate) for note in chat.unplaced} == {
        ("lora", "lost"),
        ("raw", "lost"),
        ("repetition_penalty", "lost"),
    }
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
    decoded: dict[str, Any] = msgspec.json.decode(WORKERS_AI.write_request(chat, Model(name="@cf/x/y")).body)
    return decoded


def test_a_request_for_a_platform_model() -> None:
    chat = Chat(
        model="m",
        messages=(
            Message(role="developer", parts=(Text(text="Be brief."),)),
            Message(role="user", parts=(Text(text="See."), Image(base64=PNG, media_type="image/png"))),
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
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
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


def notes(chat: Chat, **known: Any) -> dict[str, str]:
    return {note.field: note.fate for note in WORKERS_AI.write_request(chat, Model(name="x", **known)).notes}


def test_what_it_cannot_carry_is_named() -> None:
    cited = Text(text="Yes.", cache=CacheMark(), citations=(Citation(url="https://example.com"),))
    thought = Message(role="assistant", parts=(Reasoning(text="Hm."), cited, Refusal(text="No.")))
    chat = Chat(
        model="m",
        messages=(HELLO, thought),
        tools=(CustomTool(name="patch"), WebSearch()),
        tool_choice=ToolChoice(mode="auto", allowed=("patch",)),
        effort="low",
        thinking_budget=99,
        summary="auto",
        keep_reasoning=True,
        user="u",
        parallel_tool_calls=True,
        logit_bias={"1": 1.0},
        logprobs=True,
        verbosity="low",
        cache_key="k",
        cache_retention="24h",
        service_tier="flex",
        metadata={"a": "b"},
        answer_format=AnswerFormat(description="d"),
    )
    lost = (
        "answer_format.description effort thinking_budget summary messages.reasoning messages.citations user "
        "logit_bias parallel_tool_calls logprobs verbosity cache_key cache_retention service_tier metadata "
        "tools.web_search"
    )
    emulated = ("tools.custom", "tool_choice.allowed", "cache_control", "messages.refusal")
    assert notes(chat) == dict.fromkeys(lost.split(), "lost") | dict.fromkeys(emulated, "emulated")
    tools = (Tool(name="f"), Tool(name="g"))
    named = Chat(model="m", messages=(HELLO,), tools=tools, tool_choice=ToolChoice(mode="named", name="f"))
    assert notes(named) == {"tool_choice": "emulated"}
    custom = ToolCall(id="c", name="sh", arguments="ls", custom=True)
    result = ToolResult(call_id="c", parts=(Text(text="a"),), custom=True)
    called = (HELLO, Message(role="assistant", parts=(custom,)), Message(role="tool", parts=(result,)))
    assert notes(Chat(model="m", messages=called)) == {"tools.custom": "emulated"}


def test_what_asks_for_nothing_is_no_loss() -> None:
    chat = Chat(model="m", messages=(HELLO,), effort="none", verbosity="medium", service_tier="auto", summary="none")
    assert notes(chat) == {}


def test_a_model_that_refuses_a_field() -> None:
    chat = Chat(model="m", messages=(HELLO,), temperature=1.0)
    assert notes(chat, refuses=frozenset({"temperature"})) == {"temperature": "lost"}


def test_several_answers_are_refused() -> None:
    with pytest.raises(Unsupported) as caught:
        WORKERS_AI.write_request(Chat(model="m", messages=(HELLO,), choices=2), Model(name="x"))
    assert caught.value.param == "choices"


def test_a_refusal_is_text_here() -> None:
    said = Message(role="assistant", parts=(Text(text="Well."), Refusal(text="No.")))
    assert written(Chat(model="m", messages=(HELLO, said)))["messages"][1]["content"] == "Well.\nNo."


def test_signatures_of_calls_travel_in_their_ids() -> None:
    signature = Opaque(origin="google", data="sig==")
    sealed = seal_id("a", signature)
    body = msgspec.json.encode(
        {
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "tool_calls": [{"id": sealed, "name": "f", "arguments": {}}]},
                {"role": "tool", "tool_call_id": sealed, "content": "r"},
            ]
        }
    )
    messages = WORKERS_AI.read_request(Body(body)).messages
    assert messages[1].parts == (ToolCall(id="a", name="f", arguments="{}", signature=signature),)
    assert messages[2] == result("a", "r")
    assert WORKERS_AI.relay_request(Body(body), "x").body == body.replace(sealed.encode(), b"a")


def test_a_relayed_body_loses_what_is_ours_and_nothing_else() -> None:
    body = Body(b'{"prompt":"x", "options":{}, "gateway":{"id":"g"},"lora":"l"}')
    assert WORKERS_AI.relay_request(body, "@cf/x/y").body == b'{"prompt":"x","lora":"l"}'
    plain = Body(b'{"prompt":"x","stream":true}')
    assert WORKERS_AI.relay_request(plain, "@cf/x/y").body is plain.data
