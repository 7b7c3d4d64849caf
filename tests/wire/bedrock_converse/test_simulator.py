"""What is written is taken by the strict simulator, whose answers are read: whole and streamed alike."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.core.chat.event import (
    Cited,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    CacheMark,
    Chat,
    Document,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from isthmus.simulator import Fault
from isthmus.simulator.bedrock.families import REDACT
from isthmus.simulator.exchange import World
from isthmus.simulator.models import catalogue
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.routes import respond
from isthmus.wire.bedrock_converse import DIALECT

HAIKU = Model(name="us.anthropic.claude-haiku-4-5-20251001-v1:0", thinking="budget", max_output_tokens=64_000)
SONNET_4 = Model(name="us.anthropic.claude-sonnet-4-20250514-v1:0", thinking="budget", max_output_tokens=64_000)
OPUS = Model(
    name="global.anthropic.claude-opus-4-8",
    thinking="adaptive",
    max_output_tokens=64_000,
    refuses=frozenset(("temperature", "top_p", "top_k")),
    efforts=frozenset(("low", "medium", "high", "xhigh", "max")),
)
NOVA = Model(name="amazon.nova-lite-v1:0", max_output_tokens=10_000)
NOVA_2 = Model(name="us.amazon.nova-2-lite-v1:0", max_output_tokens=64_000)
MODELS = [HAIKU, SONNET_4, OPUS, NOVA, NOVA_2]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool(name="get_weather", description="Weather", parameters=SCHEMA)


def user(*parts: Any) -> Message:
    return Message(role="user", parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def ask(chat: Chat, model: Model, *, whole: bool, fault: Fault | None = None) -> list[Event]:
    written = DIALECT.write_request(chat, model)
    headers = ((b"authorization", b"Bearer k"), (b"content-type", b"application/json"))
    operation = "converse" if whole else "converse-stream"
    request = RecordedRequest("POST", f"/model/{model.name.replace(':', '%3A')}/{operation}", headers, written.body)
    answer, _ = respond(request, World(1, catalogue()), fault, "")
    assert answer.status == 200, answer.body
    data = answer.body if whole else b"".join(answer.events)
    reader = DIALECT.reader(whole)
    return [*reader.feed(data), *reader.close()]


def turn(events: list[Event]) -> Message:
    """The answer as the caller sends it back."""
    parts: list[Any] = []
    for event in events:
        if isinstance(event, ReasoningDelta):
            last = parts[-1] if parts and isinstance(parts[-1], Reasoning) else None
            if last is None or last.signature is not None:
                last = Reasoning(text="")
                parts.append(last)
            parts[-1] = Reasoning(text=last.text + event.text, signature=event.signature, redacted=event.redacted)
        elif isinstance(event, TextDelta):
            parts.append(Text(text=event.text))
        elif isinstance(event, ToolCallStarted):
            parts.append(ToolCall(id=event.id, name=event.name, arguments=""))
        elif isinstance(event, ToolCallDelta):
            parts[-1] = msgspec.structs.replace(parts[-1], arguments=parts[-1].arguments + event.arguments)
    return Message(role="assistant", parts=tuple(parts))


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


whole_or_streamed = pytest.mark.parametrize("whole", [True, False])
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)

FULL = Chat(
    model="m",
    messages=(
        Message(role="system", parts=(Text(text="Be brief.", cache=CacheMark(ttl="1h")),)),
        Message(role="assistant", parts=(Text(text="Welcome."),)),
        user(
            "look",
            Image(base64=PNG, media_type="image/png", cache=CacheMark()),
            Document(base64="JVBERi0xLjcK", name="report: final.pdf"),
            Document(text="Grass.", name="report: final.txt"),
        ),
        Message(role="developer", parts=(Text(text="Be kind."),)),
        user(" ", "echo: ok"),
    ),
    tools=(msgspec.structs.replace(WEATHER, strict=True, cache=CacheMark(ttl="1h")),),
    tool_choice=ToolChoice(mode="auto"),
    parallel_tool_calls=False,
    max_tokens=10**6,
    temperature=1.5,
    top_k=500,
    stop=("END", " ", "a1", "a2", "a3", "a4"),
    answer_format=AnswerFormat(schema=SCHEMA),
    metadata={"team": "a"},
    user="u",
    service_tier="flex",
    cache=CacheMark(),
)


@whole_or_streamed
@every_model
def test_all_that_can_be_asked(model: Model, whole: bool) -> None:
    events = ask(FULL, model, whole=whole)
    (usage,) = [event.usage for event in events if isinstance(event, UsageReported)]
    assert usage.service_tier == "flex" and usage.input_tokens > 0
    assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens


@whole_or_streamed
@every_model
@pytest.mark.parametrize("effort", ["none", "low", "high", "max"])
def test_every_effort(model: Model, effort: Any, whole: bool) -> None:
    chat = Chat(model="m", messages=(user("hello"),), effort=effort, summary="auto", max_tokens=9000, temperature=0.3)
    events = ask(chat, model, whole=whole)
    thought = any(isinstance(event, ReasoningDelta) for event in events)
    assert thought == (effort != "none" and model is not NOVA)


@whole_or_streamed
@every_model
@pytest.mark.parametrize("mode", ["auto", "required", "named", "none"])
def test_every_choice(model: Model, mode: Any, whole: bool) -> None:
    for parallel in (None, False):
        chat = Chat(
            model="m",
            messages=(user("call get_weather and call get_weather"),),
            tools=(WEATHER,),
            tool_choice=ToolChoice(mode=mode, name="get_weather" if mode == "named" else None),
            parallel_tool_calls=parallel,
            effort="high",
        )
        events = ask(chat, model, whole=whole)
        calls = [event for event in events if isinstance(event, ToolCallStarted)]
        assert bool(calls) == (mode != "none")
        if "claude" in model.name and parallel is False:
            assert len(calls) <= 1


@whole_or_streamed
@pytest.mark.parametrize("model", [HAIKU, OPUS, NOVA_2], ids=lambda model: model.name)
def test_a_conversation_with_thinking_and_tools_goes_on(model: Model, whole: bool) -> None:
    chat = Chat(
        model="m",
        messages=(user("call get_weather and call get_weather echo: Wait."),),
        tools=(WEATHER,),
        effort="low",
        summary="auto",
    )
    first = turn(ask(chat, model, whole=whole))
    assert isinstance(first.parts[0], Reasoning)
    calls = [part for part in first.parts if isinstance(part, ToolCall)]
    assert len(calls) == 2
    results = [Message(role="tool", parts=(ToolResult(call_id=call.id, parts=(Text(text="mild"),)),)) for call in calls]
    again = msgspec.structs.replace(chat, messages=(*chat.messages, first, *results))
    assert text_of(ask(again, model, whole=whole))
    kept = msgspec.json.decode(DIALECT.write_request(again, model).body)["messages"][1]["content"][0]
    assert ("reasoningContent" in kept) == ("claude" in model.name)
    # The tools are gone, or not to be called; another model takes over.
    ask(msgspec.structs.replace(again, tools=()), model, whole=whole)
    ask(msgspec.structs.replace(again, tool_choice=ToolChoice(mode="none")), model, whole=whole)
    for other in MODELS:
        if other is not model:
            ask(again, other, whole=whole)


@whole_or_streamed
def test_redacted_thinking_goes_back(whole: bool) -> None:
    chat = Chat(model="m", messages=(user(REDACT),), effort="low", summary="auto")
    first = turn(ask(chat, HAIKU, whole=whole))
    assert isinstance(first.parts[0], Reasoning) and first.parts[0].redacted
    again = msgspec.structs.replace(chat, messages=(*chat.messages, first, user("go on")))
    assert ask(again, HAIKU, whole=whole)


@whole_or_streamed
def test_citations_go_back(whole: bool) -> None:
    document = Document(text="Grass is green.", name="Grass", cite=True)
    chat = Chat(model="m", messages=(user("who?", document),))
    events = ask(chat, HAIKU, whole=whole)
    (cited,) = [event.citation for event in events if isinstance(event, Cited)]
    assert (cited.document, cited.location, cited.start, cited.end) == (0, "char", 0, len(text_of(events)))
    back = Message(role="assistant", parts=(Text(text=text_of(events), citations=(cited,)),))
    assert ask(msgspec.structs.replace(chat, messages=(*chat.messages, back, user("sure?"))), HAIKU, whole=whole)


@whole_or_streamed
def test_the_stop_sequence_is_told(whole: bool) -> None:
    chat = Chat(model="m", messages=(user("echo: one two three"),), stop=(" three",))
    finished = [event for event in ask(chat, HAIKU, whole=whole) if isinstance(event, Finished)]
    assert finished == [Finished(reason="stop", stop_sequence=" three")]


@whole_or_streamed
def test_structured_output(whole: bool) -> None:
    chat = Chat(model="m", messages=(user("who?"),), answer_format=AnswerFormat(schema=SCHEMA))
    assert "city" in msgspec.json.decode(text_of(ask(chat, HAIKU, whole=whole)))


def test_whole_and_streamed_are_the_same_answer() -> None:
    chat = Chat(
        model="m",
        messages=(user("[[sim: events=4]] call get_weather echo: Wait."),),
        tools=(WEATHER,),
        effort="low",
    )
    whole, streamed = (turn(ask(chat, HAIKU, whole=whole)) for whole in (True, False))
    kinds = [type(part) for part in whole.parts]
    merged = [kind for at, kind in enumerate(type(part) for part in streamed.parts) if kind is not Text or at == 1]
    assert merged == kinds and whole.parts[0] == streamed.parts[0]


@pytest.mark.parametrize(("status", "kind"), [(429, "Throttled"), (503, "Unavailable"), (424, "Unavailable")])
def test_a_stream_that_fails(status: int, kind: str) -> None:
    chat = Chat(model="m", messages=(user("[[sim: events=6]] hello"),))
    events = ask(chat, HAIKU, whole=False, fault=Fault(error_event_after=2, status=status))
    assert isinstance(events[-1], Failed)
    assert (type(events[-1].error).__name__, events[-1].error.status) == (kind, status)
