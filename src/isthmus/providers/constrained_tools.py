"""Tool calls, and JSON answers, of a small model served by llama.cpp: its answer is constrained by JSON Schema.

Small models called no tool by the native field, not even where they had to, and always do when constrained. An answer
holds one call at most: the next one follows the first one's result.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import msgspec
from msgspec import structs

from isthmus.core.chat.event import Event, Finished, TextDelta, ToolCallDelta, ToolCallStarted
from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import (
    AnswerFormat,
    Chat,
    CustomTool,
    Document,
    HostedToolUse,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from isthmus.core.ids import hexadecimal
from isthmus.errors import Unsupported
from isthmus.providers.constrained_json import HEAD, HEAD_MAX_CHARACTERS, CompactValue, StringValue
from isthmus.providers.constrained_schema import Schema, document
from isthmus.wire.custom_tools import as_function

DEEPEST_SKETCH = 4
MOST_SKETCHED_CHOICES = 20
LIKELIEST = 0.0
"""The temperature of calls where the caller names none: a surprising call is of no use."""

# Of those tried with SmolLM2 these words, with a sketch of each call below what it is for, gave the right tool most
# often; the tools' schemas themselves in the prompt gave it least.
INSTRUCTIONS = "Answer each request with the JSON object of the tool that fits. The tools:"
OR_REPLY = 'When no tool fits, as with "Hello!" or "Write a poem.", answer with {"reply": "<text>"}.'


def constrain(chat: Chat) -> Chat:
    """The same request for a model that knows no tools, at a server that knows some of JSON Schema: every request to
    one has to pass here. It always asks for a stream: only then does that server notice that nobody listens any more.
    Raises `Unsupported` for what is not text."""
    receipt = Receipt(chat.unplaced)
    free = structs.replace(
        chat,
        messages=_in_words(chat.messages),
        tools=(),
        tool_choice=None,
        parallel_tool_calls=None,
        answer_format=_known_format(chat.answer_format),
        stream=True,
        include_usage=True,
    )
    _note_others(chat, receipt)
    tools = offered(chat)
    if not tools:
        return structs.replace(free, unplaced=receipt.notes())
    receipt.emulated("tools", "the answer is constrained to the JSON of a call")
    if chat.stop:
        receipt.lost("stop", "it would cut the JSON of a call")
    return structs.replace(
        free,
        messages=_instructed(free.messages, _instructions(tools, _may_reply(chat))),
        answer_format=AnswerFormat(name="call", schema=_call_schema(chat, tools), strict=True),
        temperature=LIKELIEST if chat.temperature is None else chat.temperature,
        stop=(),  # they are meant for text, and would cut the JSON
        unplaced=receipt.notes(),
    )


def offered(chat: Chat) -> tuple[Tool, ...]:
    """The tools that the answer may call. Where calling is free there is none after a tool's result: it is put into
    words then, which a small model would not come to by itself."""
    choice = chat.tool_choice
    tools = tuple(
        as_function(tool) if isinstance(tool, CustomTool) else tool
        for tool in chat.tools
        if isinstance(tool, Tool | CustomTool)
    )
    if choice is not None and choice.allowed:
        tools = tuple(tool for tool in tools if tool.name in choice.allowed)
    if choice is None or choice.mode == "auto":
        return () if chat.messages and chat.messages[-1].role == "tool" else tools
    if choice.mode == "named":
        return tuple(tool for tool in tools if tool.name == choice.name)
    return tools if choice.mode == "required" else ()


def _note_others(chat: Chat, receipt: Receipt) -> None:
    for tool in chat.tools:
        if not isinstance(tool, Tool | CustomTool):
            receipt.lost("tools", "this model has functions only")


class CalledTools:
    """Makes of a constrained answer's events those of a model that calls tools. `chat` is the caller's own."""

    def __init__(self, chat: Chat) -> None:
        self._free = not offered(chat)
        self._replies_in_json = chat.answer_format is not None
        self._head = ""
        self._call: CompactValue | None = None
        self._reply: CompactValue | StringValue | None = None

    def feed(self, event: Event) -> list[Event]:
        if isinstance(event, TextDelta) and not self._free:
            return self._read(event.text)
        if isinstance(event, Finished) and not self._free:
            return self._finish(event)
        return [event]

    def _read(self, text: str) -> list[Event]:
        if self._call is not None:
            arguments = self._call.feed(text)
            return [ToolCallDelta(index=0, arguments=arguments)] if arguments else []
        if self._reply is not None:
            words = self._reply.feed(text)
            return [TextDelta(text=words)] if words else []
        self._head += text
        return self._begin()

    def _begin(self) -> list[Event]:
        """Which of the alternatives it is; kept back until that is known."""
        found = HEAD.match(self._head)
        if found is None:
            other = self._head.lstrip()[:1] not in ("", "{", "`")
            return self._set_free() if other or len(self._head) > HEAD_MAX_CHARACTERS else []
        events: list[Event] = []
        if found["name"] is not None:
            self._call = CompactValue()
            name = msgspec.json.decode(found["name"], type=str)
            events.append(ToolCallStarted(index=0, id=f"call_{hexadecimal(24)}", name=name))
        else:
            self._reply = CompactValue() if self._replies_in_json else StringValue()
        return events + self._read(self._head[found.end() :])

    def _set_free(self) -> list[Event]:
        """It did not keep to the constraint: what it said is passed on as it is."""
        self._free = True
        said, self._head = self._head, ""
        return [TextDelta(text=said)] if said.strip() else []

    def _finish(self, event: Finished) -> list[Event]:
        if self._call is not None:
            whole = self._call.ended and event.reason != "content_filter"
            return [Finished(reason="tool_calls" if whole else "length" if event.reason == "stop" else event.reason)]
        if self._reply is not None or event.reason == "length":
            return [event]  # cut short before anything was said, the beginning of the JSON is of no use to anybody
        return [*self._set_free(), event]


def _may_reply(chat: Chat) -> bool:
    return chat.tool_choice is None or chat.tool_choice.mode == "auto"


def _known_format(wanted: AnswerFormat | None) -> AnswerFormat | None:
    if wanted is None or wanted.schema is None:
        return wanted
    return structs.replace(wanted, schema=document({"$ref": "#/$defs/answer"}, {"answer": wanted.schema}))


def _call_schema(chat: Chat, tools: tuple[Tool, ...]) -> Schema:
    definitions = {f"arguments{index}": _arguments(tool) for index, tool in enumerate(tools)}
    alternatives = [
        _closed({"name": {"const": tool.name}, "arguments": {"$ref": f"#/$defs/arguments{index}"}})
        for index, tool in enumerate(tools)
    ]
    if _may_reply(chat):
        reply: Schema = {"type": "string"}
        if chat.answer_format is not None:
            definitions["reply"] = chat.answer_format.schema or {"type": "object"}
            reply = {"$ref": "#/$defs/reply"}
        alternatives.append(_closed({"reply": reply}))
    return document({"anyOf": alternatives}, definitions)


def _arguments(tool: Tool) -> Schema:
    if not any(tool.parameters.get(name) for name in ("properties", "additionalProperties", "$ref", "anyOf", "allOf")):
        return _closed({})  # the converter would take it for an object of anything
    return {"type": "object"} | tool.parameters


def _closed(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _instructions(tools: tuple[Tool, ...], may_reply: bool) -> str:
    blocks = [INSTRUCTIONS]
    for tool in tools:
        sketch = {"name": tool.name, "arguments": _sketch(tool.parameters, "arguments")}
        blocks.append(
            f"{tool.description or tool.name}\n{_json(sketch if tool.parameters else sketch | {'arguments': {}})}"
        )
    return "\n\n".join([*blocks, OR_REPLY] if may_reply else blocks)


def _sketch(schema: object, name: str, depth: int = 0) -> Any:
    """A value of that schema with words in the place of what has to be filled in."""
    if not isinstance(schema, dict):
        return f"<{name}>"
    properties, choices = schema.get("properties"), schema.get("enum")
    if isinstance(properties, dict) and depth < DEEPEST_SKETCH:
        return {key: _sketch(value, key, depth + 1) for key, value in properties.items()}
    if isinstance(schema.get("items"), dict) and depth < DEEPEST_SKETCH:
        return [_sketch(schema["items"], name, depth + 1)]
    if isinstance(choices, list) and 0 < len(choices) <= MOST_SKETCHED_CHOICES:
        return f"<{' or '.join(choice if isinstance(choice, str) else _json(choice) for choice in choices)}>"
    return f"<{schema.get('description') or name}>"


def _instructed(messages: tuple[Message, ...], instructions: str) -> tuple[Message, ...]:
    """With the instructions at the end of the first system message: many templates take one, in the first place."""
    if not messages or messages[0].role != "system":
        return (Message(role="system", parts=(Text(text=instructions),)), *messages)
    told = [part.text for part in messages[0].parts if isinstance(part, Text)]
    return (Message(role="system", parts=(Text(text="\n\n".join([*told, instructions])),)), *messages[1:])


def _in_words(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Earlier calls and results as text: small models' templates have no place for them, and a call shown as the JSON
    that it was is only said again. Results that follow each other, and what the user said to them, make one turn:
    some templates want the turns to alternate."""
    names = {
        part.id: part.name for part in chain.from_iterable(m.parts for m in messages) if isinstance(part, ToolCall)
    }
    told: list[Message] = []
    after_result = False
    for message in messages:
        role = {"developer": "system", "tool": "user"}.get(message.role, message.role)
        parts = tuple(_part_in_words(part, names) for part in message.parts)
        if role == "user" and after_result:
            told[-1] = structs.replace(told[-1], parts=(*told[-1].parts, *parts))
        else:
            told.append(structs.replace(message, role=role, parts=parts))
        after_result = message.role == "tool"
    return tuple(told)


def _part_in_words(part: Part, names: dict[str, str]) -> Part:
    if isinstance(part, Text | Refusal | Reasoning | HostedToolUse):
        return part
    if isinstance(part, Document) and part.text is not None:
        return Text(text=part.text)
    if isinstance(part, ToolCall):
        return Text(text=f"I asked {part.name} for {part.arguments or '{}'}.")
    if isinstance(part, ToolResult):
        said = [_part_in_words(item, names) for item in part.parts]
        result = "\n".join(item.text for item in said if isinstance(item, Text))
        name = names.get(part.call_id, "the tool")
        return Text(text=f"{name} failed: {result}" if part.is_error else f"The answer of {name} is: {result}")
    raise Unsupported(f"This model takes text alone, no {type(part).__name__.lower()}.", param="messages")


def _json(value: object) -> str:
    """With spaces: that is how models have seen most JSON written."""
    return json.dumps(value, ensure_ascii=False)
