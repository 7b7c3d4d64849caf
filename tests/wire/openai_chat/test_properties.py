"""What Chat Completions can say comes back equal, whatever it is, and however a network cuts it; nonsense is an error
of ours and never a traceback."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.chat.event import (
    Cited,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    Audio,
    Chat,
    Citation,
    CustomTool,
    Document,
    Grammar,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import OPENAI_CHAT, OpenAIChat
from isthmus.wire.openai_chat.options import Options
from isthmus.wire.openai_chat.relay import HideUsage

EVERYTHING = OpenAIChat(
    Options(
        lacks=frozenset(), stop_max=None, thinking_field="reasoning_content", signatures="google", cache_control=True
    )
)
PNG, PDF = "iVBORw0KGgoAAAANSUhEUg==", "JVBERi0xLjQK"
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
SAID = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
COUNT = st.integers(0, 2**40)

# --- requests -------------------------------------------------------------------------------------------------------

USER_PARTS = st.one_of(
    st.builds(Text, text=WORDS),
    st.builds(Image, url=st.just("https://x.test/a.png"), detail=st.sampled_from((None, "low"))),
    st.just(Image(base64=PNG, media_type="image/png")),
    st.builds(Audio, base64=st.just("UklGRg=="), media_type=st.sampled_from(("audio/wav", "audio/mp3"))),
    st.builds(Document, base64=st.just(PDF), media_type=st.just("application/pdf"), name=NAMES),
    st.builds(Document, file=st.builds(Opaque, origin=st.just("openai"), data=NAMES)),
)
SCHEMAS = st.dictionaries(SAID, st.one_of(SAID, COUNT, st.none(), st.lists(SAID)), max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Turns as Chat Completions hold them: thinking first, then text, then calls, each of them answered."""
    messages: list[Message] = []
    calls = 0
    for role in draw(st.lists(st.sampled_from(("system", "developer", "user", "assistant")), min_size=1, max_size=5)):
        if role == "user":
            parts: tuple[Part, ...] = tuple(draw(st.lists(USER_PARTS, min_size=1, max_size=3)))
            messages.append(Message(role=role, parts=parts, name=draw(st.one_of(st.none(), NAMES))))
        elif role == "assistant":
            said: list[Part] = [Reasoning(text=text) for text in draw(st.lists(SAID, max_size=1))]
            said += [Text(text=text) for text in draw(st.lists(SAID, max_size=2))]
            said += [Refusal(text=text) for text in draw(st.lists(SAID, max_size=1))]
            made = [draw_call(draw, calls + index) for index in range(draw(st.integers(0, 2)))]
            calls += len(made)
            messages.append(Message(role=role, parts=(*said, *made)))
            for call in made:
                result = ToolResult(call_id=call.id, parts=(Text(text=draw(SAID)),), custom=call.custom)
                messages.append(Message(role="tool", parts=(result,)))
        else:
            texts = draw(st.lists(WORDS, min_size=1, max_size=2))
            messages.append(Message(role=role, parts=tuple(Text(text=text) for text in texts)))  # type: ignore[arg-type]
    return tuple(messages)


def draw_call(draw: st.DrawFn, index: int) -> ToolCall:
    custom = draw(st.booleans())
    signature = draw(st.one_of(st.none(), st.builds(Opaque, origin=st.just("google"), data=SAID)))
    arguments = draw(SAID) if custom else json.dumps(draw(SCHEMAS))
    return ToolCall(id=f"call_{index}", name=draw(NAMES), arguments=arguments, custom=custom, signature=signature)


@st.composite
def offers(draw: st.DrawFn) -> dict[str, Any]:
    tools: list[Any] = []
    for index in range(draw(st.integers(0, 3))):
        description = draw(st.one_of(st.none(), SAID))
        if draw(st.booleans()):
            strict = draw(st.sampled_from((None, True, False)))
            tools.append(Tool(name=f"t{index}", description=description, parameters=draw(SCHEMAS), strict=strict))
        else:
            grammar = draw(st.one_of(st.none(), st.builds(Grammar, syntax=st.just("lark"), definition=SAID)))
            tools.append(CustomTool(name=f"t{index}", description=description, grammar=grammar))
    names = [tool.name for tool in tools]
    choices: list[Any] = [None]
    if names:
        choices += [ToolChoice(mode="auto"), ToolChoice(mode="none"), ToolChoice(mode="required")]
        choices.append(ToolChoice(mode="named", name=draw(st.sampled_from(names))))
        choices.append(ToolChoice(mode="required", allowed=tuple(names[:2])))
    if draw(st.booleans()):
        size = draw(st.sampled_from((None, "low", "high")))
        location = draw(st.sampled_from((None, {"city": "Bern", "country": "CH"})))
        tools.append(WebSearch(context_size=size, location=location))
    parallel = draw(st.sampled_from((None, True, False))) if names else None
    return {"tools": tuple(tools), "tool_choice": draw(st.sampled_from(choices)), "parallel_tool_calls": parallel}


NUMBERS = st.one_of(st.none(), st.floats(0, 2))
FORMATS = st.builds(AnswerFormat, name=NAMES, schema=SCHEMAS, strict=st.sampled_from((None, True)))


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    logprobs = draw(st.booleans())
    return Chat(
        model="m",
        messages=draw(conversations()),
        max_tokens=draw(st.one_of(st.none(), st.integers(1, 9999))),
        temperature=draw(NUMBERS),
        top_p=draw(NUMBERS),
        top_k=draw(st.one_of(st.none(), st.integers(1, 99))),
        stop=tuple(draw(st.lists(SAID, max_size=6))),
        seed=draw(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
        frequency_penalty=draw(NUMBERS),
        logit_bias=draw(st.one_of(st.none(), st.just({"7": -100.0}))),
        choices=draw(st.integers(1, 4)),
        logprobs=logprobs,
        top_logprobs=draw(st.one_of(st.none(), st.integers(0, 20))) if logprobs else None,
        answer_format=draw(st.one_of(st.none(), FORMATS)),
        verbosity=draw(st.sampled_from((None, "low", "high"))),
        effort=draw(st.sampled_from((None, "none", "low", "xhigh"))),
        cache_key=draw(st.one_of(st.none(), NAMES)),
        service_tier=draw(st.sampled_from((None, "flex"))),
        metadata=draw(st.sampled_from((None, {"a": "b"}))),
        user=draw(st.one_of(st.none(), NAMES)),
        stream=draw(st.booleans()),
        include_usage=False,
        **draw(offers()),
    )


@given(chats())
@settings(max_examples=200, deadline=None)
def test_a_request_comes_back_as_it_was(chat: Chat) -> None:
    written = EVERYTHING.write_request(chat, Model(name="m"))
    again = EVERYTHING.read_request(Body(written.body))
    assert msgspec.structs.replace(again, include_usage=False) == chat
    assert written.notes == again.unplaced == ()


@given(chats())
@settings(max_examples=60, deadline=None)
def test_what_is_lost_is_named(chat: Chat) -> None:
    """With OpenAI as it is: what did not come back is what the notes say."""
    written = OPENAI_CHAT.write_request(chat, Model(name="m"))
    again = OPENAI_CHAT.read_request(Body(written.body))
    noted = {note.field.partition(".")[0] for note in written.notes}
    for name in chat.__struct_fields__:
        if getattr(again, name) != getattr(chat, name):
            assert name in noted | {"include_usage"}


# --- answers --------------------------------------------------------------------------------------------------------


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = [Started(id="chatcmpl-1", model="m", created=1)]
    calls = 0
    begun: set[int] = {0}
    for kind in draw(st.lists(st.sampled_from(("text", "thought", "call", "source")), max_size=6)):
        choice = draw(st.integers(0, 2))
        begun.add(choice)
        if kind == "text":
            events += [TextDelta(text=text, choice=choice) for text in draw(st.lists(SAID, min_size=1, max_size=3))]
        elif kind == "thought":
            events += [ReasoningDelta(text=text, choice=choice) for text in draw(st.lists(SAID, max_size=3))]
            if draw(st.booleans()):
                signature = Opaque(origin="anthropic", data=draw(SAID))
                events.append(ReasoningDelta(signature=signature, choice=choice))
        elif kind == "source":
            events.append(Cited(citation=Citation(url="https://x.test", title="X", start=0, end=1), choice=choice))
        else:
            arguments = json.dumps(draw(SCHEMAS))
            cut = draw(st.integers(0, len(arguments)))
            events.append(ToolCallStarted(index=calls, id=f"call_{calls}", name="f", choice=choice))
            pieces = (piece for piece in (arguments[:cut], arguments[cut:]) if piece)
            events += [ToolCallDelta(index=calls, arguments=piece) for piece in pieces]
            calls += 1
    reasons: list[FinishReason] = ["stop", "length", "content_filter"]
    events += [Finished(reason=draw(st.sampled_from(reasons)), choice=choice) for choice in sorted(begun)]
    cached, written = draw(COUNT), draw(COUNT)
    thought, said = draw(COUNT), draw(COUNT)
    usage = Usage(
        input_tokens=cached + written + draw(COUNT) + 1,
        output_tokens=thought + said,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=thought,
    )
    return [*events, UsageReported(usage=usage)]


def told(events: list[Event]) -> dict[str, Any]:
    """What an answer comes to, by choice. Where thinking goes back to its signer is in `test_thinking`."""
    found: dict[str, Any] = {"text": {}, "thought": {}, "calls": {}, "sources": {}, "reasons": {}}
    for event in events:
        if isinstance(event, TextDelta):
            found["text"][event.choice] = found["text"].get(event.choice, "") + event.text
        elif isinstance(event, ReasoningDelta) and event.text:
            found["thought"][event.choice] = found["thought"].get(event.choice, "") + event.text
        elif isinstance(event, ToolCallStarted):
            found["calls"][event.id] = [event.choice, event.name, "", event.index]
        elif isinstance(event, ToolCallDelta):
            call = next(call for call in found["calls"].values() if call[3] == event.index)
            call[2] += event.arguments
        elif isinstance(event, Cited):
            found["sources"].setdefault(event.choice, []).append(event.citation)
        elif isinstance(event, Finished):
            called = any(call[0] == event.choice for call in found["calls"].values())
            found["reasons"][event.choice] = "tool_calls" if called and event.reason == "stop" else event.reason
        elif isinstance(event, UsageReported):
            found["usage"] = event.usage
    for call in found["calls"].values():
        del call[3]
    return found


@given(answers(), st.lists(st.floats(0, 1), max_size=6))
@settings(max_examples=150, deadline=None)
def test_an_answer_comes_back_however_it_is_cut(events: list[Event], cuts: list[float]) -> None:
    chat = Chat(model="m", messages=())
    streamed, whole = OPENAI_CHAT.writer(False, chat), OPENAI_CHAT.writer(True, chat)
    stream = b"".join([*[streamed.write(event) for event in events], streamed.close()])
    for event in events:
        whole.write(event)
    places = [0, *sorted(int(cut * len(stream)) for cut in cuts), len(stream)]
    reader = OPENAI_CHAT.reader(False)
    read = [event for a, b in itertools.pairwise(places) for event in reader.feed(stream[a:b])]
    assert told(read + reader.close()) == told(events)
    reader = OPENAI_CHAT.reader(True)
    reader.feed(whole.close())
    assert told(reader.close()) == told(events)
    assert OPENAI_CHAT.summarize(stream, False).usage == events[-1].usage  # type: ignore[union-attr]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {}}}
MESSAGE = {
    "role": "assistant",
    "content": "x",
    "refusal": None,
    "reasoning_details": [{"type": "reasoning.text", "text": "x", "index": 0}],
    "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 0}}],
    "tool_calls": [CALL],
}
ANSWER = {
    "id": "x",
    "model": "m",
    "created": 1,
    "service_tier": "default",
    "choices": [{"index": 0, "delta": MESSAGE, "logprobs": {"content": []}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}},
    "citations": ["u"],
    "search_results": [{"url": "u"}],
    "x_groq": {"usage": None},
}
REQUEST = {
    "model": "m",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
        {**MESSAGE, "tool_calls": [CALL | {"type": "function"}]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "web_search_options": {"user_location": {"type": "approximate", "approximate": {}}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def spoiled(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = spoiled(value[path[0]], path[1:], by)
    return copy


@given(st.sampled_from(places(ANSWER)[1:]), JSON, st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_spoiled_answer_is_read_or_is_an_error_of_ours(path: tuple[Any, ...], by: Any, whole: bool) -> None:
    data = json.dumps(spoiled(ANSWER, path, by)).encode()
    reader = OPENAI_CHAT.reader(whole)
    try:
        events = reader.feed(data if whole else b"data: " + data + b"\n\n") + reader.close()
        writer = OPENAI_CHAT.writer(whole, Chat(model="m", messages=()))
        for event in events:
            writer.write(event)
        writer.close()
    except GatewayError:
        pass
    OPENAI_CHAT.summarize(data, True)
    OPENAI_CHAT.summarize(b"data: " + data + b"\n\n", False)
    HideUsage().feed(b"data: " + data + b"\n\n")


@given(st.sampled_from(places(REQUEST)[1:]), JSON)
@settings(max_examples=300, deadline=None)
def test_a_spoiled_request_is_read_or_refused(path: tuple[Any, ...], by: Any) -> None:
    data = json.dumps(spoiled(REQUEST, path, by)).encode()
    try:
        body = Body(data)
        OPENAI_CHAT.relay_request(body, "x")
        chat = OPENAI_CHAT.read_request(body)
        for dialect in (OPENAI_CHAT, EVERYTHING):
            dialect.write_request(chat, Model(name="x"))
    except GatewayError as error:
        assert error.status == 400
