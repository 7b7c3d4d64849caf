"""Every conversation from every caller's dialect into every provider's: what comes out means what went in, but for
what the writer says it lost and the few differences of form that are listed here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from isthmus.core.request import (
    AnswerFormat,
    Chat,
    Image,
    Message,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from isthmus.wire.body import Body
from isthmus.wire.registry import DIALECTS

SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"], "additionalProperties": False}
WEATHER = Tool(name="weather", description="The weather there.", parameters=SCHEMA)
CLOCK = Tool(name="clock", description="The time.", parameters={"type": "object", "properties": {}})
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def says(role: Any, *parts: Any) -> Message:
    return Message(role=role, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def result(call_id: str, *parts: Any, is_error: bool = False) -> Message:
    return says(
        "tool",
        ToolResult(
            call_id=call_id,
            parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts),
            is_error=is_error,
        ),
    )


def chat(*messages: Message, **fields: Any) -> Chat:
    return Chat(model="author/model", messages=messages, max_tokens=fields.pop("max_tokens", 500), **fields)


HELLO = says("user", "Hello")
TOOL_TURNS = (
    says("user", "What is the weather in Bern and Basel?"),
    says(
        "assistant",
        "I look.",
        ToolCall(id="call_1", name="weather", arguments='{"at":"Bern"}'),
        ToolCall(id="call_2", name="weather", arguments='{"at":"Basel \\"B\\"","n":1.5}'),
    ),
    result("call_1", "sunny"),
    result("call_2", "no such place", is_error=True),
    says("user", "And the time?"),
)
CONVERSATIONS = {
    "plain": chat(HELLO),
    "no limit": chat(HELLO, max_tokens=None),
    "system": chat(says("system", "Be brief."), HELLO),
    "many turns": chat(
        says("system", "Be brief.\nBe kind."), HELLO, says("assistant", "Hi!"), says("user", "Who are you? 😀 \u2028")
    ),
    "tools": chat(*TOOL_TURNS, tools=(WEATHER, CLOCK), tool_choice=ToolChoice(mode="auto"), parallel_tool_calls=True),
    "a call without words": chat(
        HELLO,
        says("assistant", ToolCall(id="call_1", name="clock", arguments="{}")),
        result("call_1", "noon"),
        tools=(CLOCK,),
    ),
    "one call at a time": chat(HELLO, tools=(WEATHER,), parallel_tool_calls=False),
    "a tool is required": chat(HELLO, tools=(WEATHER, CLOCK), tool_choice=ToolChoice(mode="required")),
    "no tool is allowed": chat(HELLO, tools=(WEATHER,), tool_choice=ToolChoice(mode="none")),
    "one tool is named": chat(HELLO, tools=(WEATHER,), tool_choice=ToolChoice(mode="named", name="weather")),
    "images": chat(
        says("user", "See:", Image(url="https://x.test/a.png"), Image(base64=PICTURE, media_type="image/png"), "Which?")
    ),
    "stop": chat(HELLO, stop=("END", "\n\nUser:"), max_tokens=7),
    "sampling": chat(HELLO, temperature=0.5, top_p=0.9, seed=4, frequency_penalty=0.5, presence_penalty=-0.5),
    "top_k": chat(HELLO, top_k=40),
    "user": chat(HELLO, user="user-7"),
    "json": chat(HELLO, answer_format=AnswerFormat(schema=SCHEMA, strict=True)),
    "any json": chat(HELLO, answer_format=AnswerFormat()),
    "stream": chat(HELLO, stream=True),
    "effort": chat(HELLO, effort="low", max_tokens=4000),
}

EFFORTS = ((0, "none"), (1024, "low"), (8192, "medium"))
DEFAULT_MAX_TOKENS = {"anthropic_messages": 4096, "workers_ai": 256}


def through(name: str, given: Chat) -> tuple[Chat, set[str]]:
    """Written in a dialect and read again, and what the writer said it lost."""
    dialect = DIALECTS[name]
    written = dialect.write_request(given, "a-model")
    again = dialect.read_request(Body(written.body))
    assert again.unplaced == (), "a dialect's writer writes what its reader reads"
    return again, set(written.lost)


def essence(given: Chat) -> dict[str, Any]:
    """A chat without what is form only: `developer` is a `system`, neighbouring turns of one role are one turn,
    arguments are JSON, an absent wish is the default that it stands for, a budget is an effort."""
    fields = {name: getattr(given, name) for name in given.__struct_fields__}
    for name in ("model", "include_usage", "unplaced", "thinking_budget"):
        del fields[name]
    if given.thinking_budget is not None:
        fields["effort"] = next((name for most, name in EFFORTS if given.thinking_budget <= most), "high")
    turns: list[tuple[str, list[Any]]] = []
    for message in given.messages:
        role = "system" if message.role == "developer" else message.role
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(pieces(message))
        else:
            turns.append((role, list(pieces(message))))
    fields["messages"] = turns
    if given.tool_choice == ToolChoice(mode="auto"):
        fields["tool_choice"] = None
    if given.parallel_tool_calls is True:
        fields["parallel_tool_calls"] = None
    if given.answer_format is not None:
        fields["answer_format"] = given.answer_format.schema or "any"
    fields["tools"] = [(tool.name, tool.description, tool.parameters) for tool in given.tools]
    return fields


def pieces(message: Message) -> Iterator[Any]:
    for part in message.parts:
        if isinstance(part, ToolCall):
            yield "call", part.id, part.name, msgspec.json.decode(part.arguments or "{}")
        elif isinstance(part, ToolResult):
            text = "".join(piece.text for piece in part.parts if isinstance(piece, Text))
            # Where there is no field for a failure, the text says it.
            yield "result", part.call_id, text.removeprefix("Error: ")
        elif isinstance(part, Image):
            yield "image", part.url, part.base64, part.media_type
        else:
            yield part


def agree(before: Chat, after: Chat, lost: set[str], provider: str) -> None:
    expected, found = essence(before), essence(after)
    if expected["max_tokens"] is None:
        expected["max_tokens"] = DEFAULT_MAX_TOKENS.get(provider)
    if provider == "workers_ai" and before.tool_choice == ToolChoice(mode="named", name="weather"):
        expected["tool_choice"] = ToolChoice(mode="required")
    if "answer_format" in lost:
        # What cannot be asked for in a field is asked for in words: one instruction more.
        role, texts = found["messages"][0]
        assert role == "system" and "JSON" in texts.pop().text
        found["messages"] = found["messages"][0 if texts else 1 :]
    for field in lost | ({"effort"} if "thinking_budget" in lost else set()):
        expected.pop(field, None)
        found.pop(field, None)
    assert found == expected


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_what_is_written_is_read_again(name: str, conversation: str) -> None:
    before = CONVERSATIONS[conversation]
    after, lost = through(name, before)
    agree(before, after, lost, name)


@pytest.mark.parametrize(("caller", "provider"), list(itertools.product(DIALECTS, DIALECTS)))
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_from_every_caller_to_every_provider(caller: str, provider: str, conversation: str) -> None:
    asked, _ = through(caller, CONVERSATIONS[conversation])
    served, lost = through(provider, asked)
    agree(asked, served, lost, provider)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("conversation", ["system", "tools", "images", "json", "stream"])
def test_the_pillars_are_carried_by_all(name: str, conversation: str) -> None:
    """Nobody may excuse himself from these: messages, tools, images, schemas and streams."""
    pillars = {"messages", "tools", "tool_choice", "answer_format", "stream", "max_tokens"}
    _, lost = through(name, CONVERSATIONS[conversation])
    assert not pillars & lost
    assert not [each for each in lost if each.startswith("messages")]
