"""What a caller can ask for, feature by feature: a request that holds it, and how to find it in one again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from isthmus.core.chat.request import (
    AnswerFormat,
    Audio,
    CacheMark,
    Chat,
    Citation,
    CustomTool,
    Document,
    Grammar,
    HostedToolUse,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    SearchResult,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    VendorTool,
    WebSearch,
)
from isthmus.wire.thinking import effort_of

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJcOkw7zDtsOfCjEgMCBvYmoKPDw+PgplbmRvYmoKdHJhaWxlcgo8PD4+CiUlRU9GCg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "at": {"type": "string", "minLength": 1, "pattern": "^[A-Z]", "description": "A city."},
        "days": {"type": "integer", "minimum": 1, "maximum": 7, "default": 1},
        "unit": {"enum": ["C", "F", None]},
        "near": {"anyOf": [{"$ref": "#/$defs/point"}, {"type": "null"}]},
    },
    "required": ["at"],
    "additionalProperties": False,
    "$defs": {"point": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "minItems": 2}},
}
STRICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"at": {"type": "string"}},
    "required": ["at"],
    "additionalProperties": False,
}
WEATHER = Tool(name="weather", description="The weather there.", parameters=STRICT_SCHEMA)
CLOCK = Tool(name="clock", description="The time.", parameters={"type": "object", "properties": {}})
MAP = Tool(name="map", parameters={"type": "object", "properties": {}})
HELLO = Message(role="user", parts=(Text(text="Hello"),))

Find = Callable[[Chat], Any]


@dataclass(frozen=True)
class Feature:
    """`find` gives what stands for the feature, None where it is not there. `notes` are the fields under which its
    loss is told; without any its own name."""

    name: str
    chat: Chat
    find: Find


def chat(*messages: Message, **fields: Any) -> Chat:
    return Chat(model="author/model", messages=messages or (HELLO,), max_tokens=fields.pop("max_tokens", 500), **fields)


def says(role: Any, *parts: Part | str) -> Message:
    return Message(role=role, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def result(call_id: str, *parts: Any, **fields: Any) -> Message:
    given = tuple(Text(text=part) if isinstance(part, str) else part for part in parts)
    return says("tool", ToolResult(call_id=call_id, parts=given, **fields))


def parts(chat: Chat, kind: type[Any]) -> Iterable[Any]:
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, kind):
                yield part
            elif isinstance(part, ToolResult):
                yield from (inner for inner in part.parts if isinstance(inner, kind))


def first(found: Iterable[Any]) -> Any:
    return next(iter(found), None)


def words(chat: Chat, *roles: str) -> str | None:
    told = [part.text for m in chat.messages if m.role in roles for part in m.parts if isinstance(part, Text)]
    return "\n".join(told) or None


def field(name: str) -> Find:
    return lambda chat: getattr(chat, name) or None


def each(kind: type[Any], *names: str) -> Find:
    def find(chat: Chat) -> Any:
        return [tuple(getattr(part, name) for name in names) for part in parts(chat, kind)] or None

    return find


def turns(chat: Chat) -> Any:
    """Who said what, in order; consecutive turns of one speaker are one."""
    told: list[list[Any]] = []
    for message in chat.messages:
        if message.role in ("user", "assistant"):
            said = [part.text for part in message.parts if isinstance(part, Text)]
            if told and told[-1][0] == message.role:
                told[-1][1] += said
            else:
                told.append([message.role, said])
    return told


def calls(chat: Chat) -> Any:
    made = [(c.name, c.arguments if c.custom else json.loads(c.arguments or "{}")) for c in parts(chat, ToolCall)]
    return made or None


def results(chat: Chat) -> Any:
    """By the name of the tool that each answers: ids may be the target's own."""
    names = {call.id: call.name for call in parts(chat, ToolCall)}
    told = []
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, ToolResult):
                text = "".join(inner.text for inner in part.parts if isinstance(inner, Text))
                told.append((names.get(part.call_id), text))
    return told or None


def functions(chat: Chat) -> Any:
    return [(tool.name, tool.description, tool.parameters) for tool in chat.tools if isinstance(tool, Tool)] or None


def strictness(chat: Chat) -> Any:
    return first(tool.strict for tool in chat.tools if isinstance(tool, Tool)) or None


def custom(chat: Chat) -> Any:
    return first((tool.name, tool.grammar) for tool in chat.tools if isinstance(tool, CustomTool))


def search(chat: Chat) -> Any:
    return first(tool for tool in chat.tools if isinstance(tool, WebSearch)) is not None or None


def effort(chat: Chat) -> Any:
    """Budgets and efforts are two spellings; which of low, medium and high it is has to hold."""
    if chat.effort is not None:
        return chat.effort
    return None if chat.thinking_budget is None else effort_of(chat.thinking_budget)


def marks(chat: Chat) -> Any:
    found = [part.text for part in parts(chat, Text) if part.cache is not None]
    found += [tool.name for tool in chat.tools if isinstance(tool, Tool) and tool.cache is not None]
    return found or None


def image(chat: Chat) -> Any:
    """As an address, or as the bytes."""
    return first((part.url, part.base64) for part in parts(chat, Image))


def document(chat: Chat) -> Any:
    return first((part.url, part.base64, part.text) for part in parts(chat, Document))


def schema(chat: Chat) -> Any:
    return None if chat.answer_format is None else chat.answer_format.schema


def signed(chat: Chat) -> Any:
    return first(part.signature for part in parts(chat, Reasoning) if part.signature)


def call_signature(chat: Chat) -> Any:
    return first(part.signature for part in parts(chat, ToolCall) if part.signature)


def tool_turns(**changes: Any) -> tuple[Message, ...]:
    """One call and its result; `changes` to the call or (`result`) to what came of it."""
    given = changes.pop("result", "sunny")
    call = ToolCall(id="call_1", name="weather", arguments='{"at":"Bern"}', **changes)
    answer = given if isinstance(given, Message) else result("call_1", given)
    return (says("user", "The weather?"), says("assistant", call), answer)


def thinking(origin: str, data: str) -> tuple[Message, ...]:
    thought = Reasoning(text="I should look.", signature=Opaque(origin=origin, data=data))
    call = ToolCall(id="call_1", name="weather", arguments='{"at":"Bern"}')
    return (says("user", "The weather?"), says("assistant", thought, call), result("call_1", "sunny"))


CALL_2 = ToolCall(id="call_2", name="clock", arguments="{}")
CALLED_TWICE = (
    says("user", "The weather and the time?"),
    says("assistant", "I look.", ToolCall(id="call_1", name="weather", arguments='{"at":"Bern \\"x\\""}'), CALL_2),
    result("call_1", "sunny"),
    result("call_2", "noon"),
)
SEARCHED = HostedToolUse(
    id="srvtoolu_1",
    tool="web_search",
    input='{"query":"Bern"}',
    results=(SearchResult(url="https://example.org/bern", title="Bern"),),
)
QUOTED = Text(
    text="Bern is the capital.",
    citations=(Citation(url="https://example.org/bern", title="Bern", quote="the capital", start=0, end=20),),
)
REGEX = Grammar(syntax="regex", definition="^[a-z]+$")
TOOLED: dict[str, Any] = {"tools": (WEATHER, CLOCK)}

FEATURES: tuple[Feature, ...] = (
    Feature("system instructions", chat(says("system", "Be brief."), HELLO), lambda c: words(c, "system", "developer")),
    Feature(
        "developer instructions", chat(says("developer", "Be kind."), HELLO), lambda c: words(c, "system", "developer")
    ),
    Feature("many turns", chat(HELLO, says("assistant", "Hi!"), says("user", "Who? 😀 \u2028")), turns),
    Feature(
        "a refusal said before",
        chat(HELLO, says("assistant", Refusal(text="No.")), says("user", "Why?")),
        lambda c: "No." in (words(c, "assistant") or "") or first(parts(c, Refusal)) is not None or None,
    ),
    Feature(
        "tools, every schema keyword",
        chat(tools=(Tool(name="weather", description="There.", parameters=SCHEMA),)),
        functions,
    ),
    Feature("strict tools", chat(tools=(Tool(name="weather", parameters=STRICT_SCHEMA, strict=True),)), strictness),
    Feature("parallel tool calls", chat(*CALLED_TWICE, **TOOLED), lambda c: (calls(c), results(c))),
    Feature(
        "an image in a tool result",
        chat(*tool_turns(result=result("call_1", "look", Image(base64=PNG, media_type="image/png"))), **TOOLED),
        image,
    ),
    Feature(
        "a failed tool",
        chat(*tool_turns(result=result("call_1", "no such place", is_error=True)), **TOOLED),
        lambda c: first(part.is_error or "rror" in str(part.parts) for part in parts(c, ToolResult)) or None,
    ),
    Feature("tool choice: required", chat(tool_choice=ToolChoice(mode="required"), **TOOLED), field("tool_choice")),
    Feature("tool choice: none", chat(tool_choice=ToolChoice(mode="none"), **TOOLED), field("tool_choice")),
    Feature(
        "tool choice: one tool",
        chat(tool_choice=ToolChoice(mode="named", name="clock"), **TOOLED),
        field("tool_choice"),
    ),
    Feature(
        "tool choice: some tools",
        chat(tools=(WEATHER, CLOCK, MAP), tool_choice=ToolChoice(mode="required", allowed=("weather", "clock"))),
        field("tool_choice"),
    ),
    Feature(
        "one tool at a time",
        chat(parallel_tool_calls=False, **TOOLED),
        lambda c: c.parallel_tool_calls is False or None,
    ),
    Feature("custom tools", chat(tools=(CustomTool(name="sh", description="A shell.", grammar=REGEX),)), custom),
    Feature(
        "a custom tool's call",
        chat(
            says("user", "Go."),
            says("assistant", ToolCall(id="call_1", name="sh", arguments="ls", custom=True)),
            result("call_1", "a b", custom=True),
            tools=(CustomTool(name="sh"),),
        ),
        calls,
    ),
    Feature("web search", chat(tools=(WebSearch(),)), search),
    Feature(
        "an earlier search and its citation",
        chat(HELLO, says("assistant", SEARCHED, QUOTED), says("user", "Sure?")),
        lambda c: first((one.url, one.title) for part in parts(c, Text) for one in part.citations),
    ),
    Feature("image by address", chat(says("user", "See", Image(url="https://example.org/a.png"))), image),
    Feature("image by value", chat(says("user", "See", Image(base64=PNG, media_type="image/png"))), image),
    Feature(
        "image detail",
        chat(says("user", Image(base64=PNG, media_type="image/png", detail="low"))),
        lambda c: first(part.detail for part in parts(c, Image)),
    ),
    Feature(
        "PDF by value",
        chat(says("user", "Read", Document(base64=PDF, media_type="application/pdf", name="a.pdf"))),
        document,
    ),
    Feature(
        "PDF by address",
        chat(says("user", "Read", Document(url="https://example.org/a.pdf", media_type="application/pdf"))),
        document,
    ),
    Feature(
        "document in plain text",
        chat(says("user", "Read", Document(text="Bern is old.", name="a.txt", media_type="text/plain"))),
        lambda c: "Bern is old." in str(c.messages) or None,
    ),
    Feature(
        "citations wanted",
        chat(says("user", Document(text="Bern is old.", media_type="text/plain", cite=True))),
        lambda c: first(part.cite for part in parts(c, Document)) or None,
    ),
    Feature(
        "audio",
        chat(says("user", "Hear", Audio(base64=WAV, media_type="audio/wav"))),
        lambda c: first(part.base64 for part in parts(c, Audio)),
    ),
    Feature("reasoning effort", chat(effort="high", max_tokens=32000), effort),
    Feature("reasoning off", chat(effort="none"), effort),
    Feature("thinking budget", chat(thinking_budget=4096, max_tokens=32000), effort),
    Feature(
        "thinking shown",
        chat(effort="high", max_tokens=32000, summary="auto"),
        lambda c: c.summary not in (None, "none") or None,
    ),
    Feature(
        "thinking signed by Anthropic",
        chat(*thinking("anthropic", "c2ln"), effort="high", max_tokens=32000, **TOOLED),
        signed,
    ),
    Feature(
        "thinking signed by OpenAI",
        chat(*thinking("openai", '{"id":"rs_1","encrypted_content":"ZW5j"}'), **TOOLED),
        signed,
    ),
    Feature(
        "thought signature of a call",
        chat(*tool_turns(signature=Opaque(origin="google", data="c2ln")), **TOOLED),
        call_signature,
    ),
    Feature(
        "redacted thinking",
        chat(
            HELLO,
            says(
                "assistant", Reasoning(text="", signature=Opaque(origin="anthropic", data="cmVk"), redacted=True), "Hi!"
            ),
            says("user", "Well?"),
            effort="high",
            max_tokens=32000,
        ),
        lambda c: first(part.signature for part in parts(c, Reasoning) if part.redacted),
    ),
    Feature(
        "JSON by schema", chat(answer_format=AnswerFormat(name="place", schema=STRICT_SCHEMA, strict=True)), schema
    ),
    Feature("any JSON object", chat(answer_format=AnswerFormat()), lambda c: c.answer_format is not None or None),
    Feature("stop sequences", chat(stop=("END", "\n\nHuman:")), field("stop")),
    Feature("seed", chat(seed=7), field("seed")),
    Feature("temperature", chat(temperature=0.5), field("temperature")),
    Feature("top_p", chat(top_p=0.5), field("top_p")),
    Feature("top_k", chat(top_k=40), field("top_k")),
    Feature("frequency penalty", chat(frequency_penalty=0.5), field("frequency_penalty")),
    Feature("presence penalty", chat(presence_penalty=0.5), field("presence_penalty")),
    Feature("logit bias", chat(logit_bias={"50256": -100}), field("logit_bias")),
    Feature("log probabilities", chat(logprobs=True, top_logprobs=3), lambda c: c.top_logprobs if c.logprobs else None),
    Feature("several answers (n)", chat(choices=2), lambda c: c.choices if c.choices > 1 else None),
    Feature("verbosity", chat(verbosity="low"), field("verbosity")),
    Feature("prompt-cache marks", chat(says("system", Text(text="Long.", cache=CacheMark())), HELLO), marks),
    Feature(
        "prompt-cache mark of a tool",
        chat(tools=(Tool(name="clock", parameters={"type": "object", "properties": {}}, cache=CacheMark(ttl="1h")),)),
        marks,
    ),
    Feature("cache key", chat(cache_key="session-1"), field("cache_key")),
    Feature("service tier", chat(service_tier="priority"), field("service_tier")),
    Feature("user id", chat(user="user-1"), field("user")),
    Feature("metadata", chat(metadata={"team": "a"}), field("metadata")),
)

VENDOR_TOOLS = {
    "openai_responses": VendorTool(
        type="code_interpreter",
        definition=Opaque(origin="openai", data='{"type":"code_interpreter","container":{"type":"auto"}}'),
    ),
    "anthropic_messages": VendorTool(
        type="bash_20250124",
        name="bash",
        definition=Opaque(origin="anthropic", data='{"type":"bash_20250124","name":"bash"}'),
    ),
    "gemini": VendorTool(type="codeExecution", definition=Opaque(origin="google", data='{"codeExecution":{}}')),
}
