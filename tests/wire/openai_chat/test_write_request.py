"""Requests for OpenAI and for compatible providers, as OpenAI's own schema wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

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
from isthmus.wire.openai_chat import OPENAI_CHAT, OPENAI_CHAT_COMPATIBLE

HELLO = (Message(role="user", parts=(Text(text="Hello"),)),)
CALL = ToolCall(id="call_1", name="weather", arguments='{"at":"Bern"}')
TOOL = Tool(name="weather", description="w", parameters={"type": "object"}, strict=True)

CHATS = {
    "plain": Chat(model="a/b", messages=HELLO),
    "everything": Chat(
        model="a/b",
        messages=(
            Message(role="developer", parts=(Text(text="Be brief."),)),
            Message(
                role="user",
                name="ann",
                parts=(
                    Text(text="See."),
                    Image(url="https://x.test/a.png", detail="low"),
                    Image(base64="iVBO", media_type="image/png"),
                ),
            ),
            Message(role="assistant", parts=(Text(text="I look."), CALL, msgspec.structs.replace(CALL, id="call_2"))),
            Message(role="tool", parts=(ToolResult(call_id="call_1", parts=(Text(text="sun"), Text(text="ny"))),)),
            Message(role="tool", parts=(ToolResult(call_id="call_2", parts=(), is_error=True),)),
            Message(role="assistant", parts=(Refusal(text="No."),)),
            Message(role="assistant", parts=()),
        ),
        tools=(TOOL, Tool(name="bare")),
        tool_choice=ToolChoice(mode="named", name="weather"),
        parallel_tool_calls=False,
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        stop=("a", "b"),
        seed=3,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        answer_format=AnswerFormat(name="n", schema={"type": "object"}, strict=True, description="d"),
        effort="high",
        user="u",
        stream=True,
    ),
    "json": Chat(model="a/b", messages=HELLO, answer_format=AnswerFormat(), effort="max"),
}


def written(chat: Chat, dialect: Any = OPENAI_CHAT) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(dialect.write_request(chat, "gpt-x").body)
    return decoded


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("dialect", [OPENAI_CHAT, OPENAI_CHAT_COMPATIBLE])
def test_it_is_what_openai_takes(name: str, dialect: Any, openai_schema: Callable[[str], Draft202012Validator]) -> None:
    body = written(CHATS[name], dialect)
    openai_schema("CreateChatCompletionRequest").validate(body)
    assert None not in body.values()


def test_the_schema_is_one_that_refuses(openai_schema: Callable[[str], Draft202012Validator]) -> None:
    schema = openai_schema("CreateChatCompletionRequest")
    body = written(CHATS["everything"])
    assert not schema.is_valid({**body, "messages": [{"role": "user", "content": None}]})
    assert not schema.is_valid({**body, "reasoning_effort": "max"})
    assert not schema.is_valid({**body, "messages": [{"role": "tool", "content": "x"}]})


def test_every_field_of_it() -> None:
    body = written(CHATS["everything"])
    messages = body.pop("messages")
    function = {"name": "weather", "description": "w", "parameters": {"type": "object"}, "strict": True}
    assert body == {
        "model": "gpt-x",
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a", "b"],
        "seed": 3,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"},
        },
        "reasoning_effort": "high",
        "user": "u",
        "tools": [{"type": "function", "function": function}, {"type": "function", "function": {"name": "bare"}}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    call = {"type": "function", "function": {"name": "weather", "arguments": '{"at":"Bern"}'}}
    assert messages == [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "See."},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            ],
        },
        {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "call_1"} | call, {"id": "call_2"} | call]},
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": [{"type": "text", "text": "sun"}, {"type": "text", "text": "ny"}],
        },
        {"role": "tool", "tool_call_id": "call_2", "content": "Error: "},
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "content": ""},
    ]


def test_compatible_servers_are_asked_in_words_they_know() -> None:
    body = written(CHATS["everything"], OPENAI_CHAT_COMPATIBLE)
    assert body["max_tokens"] == 9
    assert "max_completion_tokens" not in body
    assert body["messages"][0]["role"] == "system"


def test_what_openai_has_no_field_for_is_named() -> None:
    thought = Message(role="assistant", parts=(Reasoning(text="Hm.", signature="s"), Text(text="Yes.")))
    answer = OPENAI_CHAT.write_request(Chat(model="m", messages=(*HELLO, thought), top_k=3), "x")
    assert answer.lost == ("messages.reasoning", "top_k")
    assert b"Hm." not in answer.body
    assert OPENAI_CHAT.write_request(CHATS["everything"], "x").lost == ()


def test_images_of_tool_results_follow_the_run_of_results() -> None:
    def result(call_id: str, *parts: Text | Image) -> Message:
        return Message(role="tool", parts=(ToolResult(call_id=call_id, parts=parts),))

    picture = Image(url="https://x.test/a.png")
    messages = (*HELLO, result("1", picture, Text(text="see")), result("2", picture), *HELLO, result("3", picture))
    roles = [
        (message["role"], message["content"] if isinstance(message["content"], str) else len(message["content"]))
        for message in written(Chat(model="m", messages=messages))["messages"]
    ]
    assert roles == [
        ("user", "Hello"),
        ("tool", "see"),
        ("tool", ""),
        ("user", 2),
        ("user", "Hello"),
        ("tool", ""),
        ("user", 1),
    ]


def test_a_failed_tool_says_so() -> None:
    failed = ToolResult(call_id="1", parts=(Text(text="no network"),), is_error=True)
    message = written(Chat(model="m", messages=(Message(role="tool", parts=(failed,)),)))["messages"][0]
    assert message["content"] == "Error: no network"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    call = ToolCall(id="1", name="now", arguments="")
    message = written(Chat(model="m", messages=(Message(role="assistant", parts=(call,)),)))["messages"][0]
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("budget", "effort"), [(0, "none"), (1024, "low"), (1025, "medium"), (8192, "medium"), (8193, "high")]
)
def test_a_budget_becomes_an_effort(budget: int, effort: str) -> None:
    assert written(Chat(model="m", messages=HELLO, thinking_budget=budget))["reasoning_effort"] == effort


def test_without_tools_there_is_no_choice_among_them() -> None:
    body = written(Chat(model="m", messages=HELLO, tool_choice=ToolChoice(mode="none"), parallel_tool_calls=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options"} & body.keys()
