"""Whatever is asked or answered, what is written of it and read again is the same; whatever is asked, Cohere takes what
is written; and no bytes raise anything else than an error of ours."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.chat.event import (
    Cited,
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    CacheMark,
    Chat,
    Citation,
    CustomTool,
    Document,
    HostedToolUse,
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
    VendorTool,
    WebSearch,
)
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError, Unavailable
from isthmus.wire.body import Body
from isthmus.wire.cohere_chat import DIALECT
from isthmus.wire.custom_tools import wrapped
from isthmus.wire.sealed import unseal_id

MODEL = "command-a-reasoning-08-2025"
CASES = sorted((Path(__file__).parent.parent / "cases" / "cohere_chat").iterdir())
TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
NAME = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
COUNT = st.integers(0, 10**6)
FRACTION = st.floats(0, 1, allow_subnormal=False)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), COUNT, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
ARGUMENTS = OBJECT.map(json.dumps)
PNG = "iVBORw0KGgoAAAANSUhEUg=="
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]+$"}}, "required": ["a"]}
OPEN_SCHEMA = {"type": "object", "properties": {"a": {"type": "object"}}}
FOREIGN = st.builds(Opaque, origin=st.sampled_from(("anthropic", "openai", "google")), data=TEXT)
HANDLE = TEXT.map(lambda id_: Opaque(origin="cohere", data=msgspec.json.encode({"type": "tool", "id": id_}).decode()))


PLAIN = Chat(model="m", messages=())


# --- answers --------------------------------------------------------------------------------------------------------


@st.composite
def answers(draw):
    """Thinking, texts, calls and citations as Cohere could tell them."""
    events, said, calls = [Started(id="x", model="")], 0, 0
    for kind in draw(st.lists(st.sampled_from(("text", "thought", "scored")), max_size=4)):
        for text in draw(st.lists(TEXT, min_size=1, max_size=3)):
            if kind == "thought":
                events.append(ReasoningDelta(text=text))
                continue
            score = (TokenLogprob(token=text, logprob=-draw(FRACTION)),) if kind == "scored" else ()
            events.append(TextDelta(text=text, logprobs=score))
            said += len(text)
        if said and draw(st.booleans()):
            start = draw(st.integers(0, said - 1))
            source = {"document": draw(st.integers(0, 3))} if draw(st.booleans()) else {"opaque": draw(HANDLE)}
            events.append(Cited(citation=Citation(start=start, end=start, **source)))
    for _ in range(draw(st.integers(0, 2))):
        arguments = draw(ARGUMENTS)
        cut = draw(st.integers(0, len(arguments)))
        events.append(ToolCallStarted(index=calls, id=f"id_{calls}", name="f"))
        events += [ToolCallDelta(index=calls, arguments=piece) for piece in (arguments[:cut], arguments[cut:]) if piece]
        calls += 1
    read = draw(COUNT)
    usage = Usage(input_tokens=draw(COUNT) + read, output_tokens=draw(COUNT), cache_read_tokens=read)
    reason = "tool_calls" if calls else draw(st.sampled_from(("stop", "length")))
    return [*events, UsageReported(usage=usage), Finished(reason=reason)]


def told(events):
    """What an answer comes to."""
    parts, calls, cited, scores, end = [], {}, [], [], []
    for event in events:
        if isinstance(event, TextDelta | ReasoningDelta):
            kind = type(event).__name__
            if not parts or parts[-1][0] != kind:
                parts.append([kind, ""])
            parts[-1][1] += event.text
            scores += event.logprobs if isinstance(event, TextDelta) else ()
        elif isinstance(event, ToolCallStarted):
            calls[event.index] = [event.id, event.name, ""]
        elif isinstance(event, ToolCallDelta):
            calls[event.index][2] += event.arguments
        elif isinstance(event, Cited):
            cited.append(event.citation)
        elif isinstance(event, UsageReported | Finished):
            end.append(event)
    return parts, calls, cited, [score.logprob for score in scores], end


def written(events, whole, chat=PLAIN):
    writer = DIALECT.writer(whole, chat)
    return b"".join([*(writer.write(event) for event in events), writer.close()])


@settings(max_examples=120, deadline=None)
@given(answers(), st.booleans(), st.integers(1, 200))
def test_an_answer_written_and_read_again(events, whole, size):
    data, reader = written(events, whole), DIALECT.reader(whole)
    read = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    read += reader.close()
    assert told(read) == told(events)
    assert whole or DIALECT.stream_ended(data)
    summary = DIALECT.summarize(data, whole)
    assert [summary.usage, summary.finish_reason] == [told(events)[4][0].usage, told(events)[4][1].reason]


ANY_EVENT = st.one_of(
    st.builds(TextDelta, text=TEXT, choice=st.integers(0, 1)),
    st.builds(RefusalDelta, text=TEXT),
    st.builds(ReasoningDelta, text=TEXT, signature=st.none() | FOREIGN),
    st.builds(ReasoningDelta, signature=FOREIGN, redacted=st.just(True)),
    st.builds(Cited, citation=st.builds(Citation, url=st.none() | st.just("https://a.test/"), start=COUNT, end=COUNT)),
    st.builds(Cited, citation=st.builds(Citation, document=st.none() | st.integers(0, 2), opaque=FOREIGN)),
    st.builds(HostedToolUsed, use=st.builds(HostedToolUse, id=TEXT, tool=TEXT)),
    st.builds(ToolCallDelta, index=st.integers(0, 2), arguments=TEXT),
    st.builds(
        ToolCallStarted,
        index=st.integers(0, 2),
        id=NAME,
        name=NAME,
        custom=st.booleans(),
        signature=st.none() | FOREIGN,
    ),
    st.builds(
        Finished,
        reason=st.sampled_from(
            (
                "stop",
                "length",
                "context_length",
                "tool_calls",
                "content_filter",
                "refusal",
                "pause",
                "malformed_tool_call",
                "error",
            )
        ),
        stop_sequence=st.none() | TEXT,
        detail=st.none() | TEXT,
    ),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(ANY_EVENT, max_size=8), st.booleans())
def test_every_event_of_any_provider_can_be_written(validate, events, whole):
    chat = Chat(model="m", messages=(Message(role="user", parts=(Document(text="d", name="n"),)),))
    data = written([Started(id="x", model="m"), *events], whole, chat)
    if whole:
        validate("ChatResponseV2", json.loads(data))
    reader = DIALECT.reader(whole)
    read = reader.feed(data) + reader.close()
    assert isinstance(read[-1], Finished)


@settings(max_examples=80, deadline=None)
@given(st.lists(TEXT, max_size=4), st.none() | FOREIGN, st.booleans())
def test_a_custom_call_is_one_of_a_function_and_its_signature_comes_back(pieces, signature, whole):
    call = ToolCallStarted(index=0, id="c", name="f", custom=True, signature=signature)
    deltas = [ToolCallDelta(index=0, arguments=piece) for piece in pieces]
    data = written([Started(id="x", model="m"), call, *deltas, Finished(reason="tool_calls")], whole)
    reader = DIALECT.reader(whole)
    (id_, _, arguments) = told(reader.feed(data) + reader.close())[1][0]
    assert json.loads(arguments) == json.loads(wrapped("".join(pieces)))
    assert unseal_id(id_) == ("c", signature)


def test_a_failure_is_an_error_of_a_whole_answer():
    writer = DIALECT.writer(True, Chat(model="m", messages=()))
    writer.write(Started(id="x", model="m"))
    try:
        writer.write(Failed(error=Unavailable("no")))
    except Unavailable as error:
        assert error.message == "no"
    else:
        raise AssertionError("nothing was raised")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_crash_a_summary(data, whole):
    assert DIALECT.summarize(data, whole).usage is None
    assert not DIALECT.stream_ended(data)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(CASES), st.data(), st.booleans())
def test_a_mangled_answer_is_an_error_of_ours_or_an_answer(case, data, whole):
    source = (case / "stream.sse").read_bytes()
    if whole:
        reader = DIALECT.reader(False)
        events = [event for event in reader.feed(source) if not isinstance(event, Failed)]
        source = written(events, True)
    stream = bytearray(source)
    for _ in range(data.draw(st.integers(1, 6))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    DIALECT.summarize(bytes(stream), whole)
    DIALECT.stream_ended(bytes(stream))
    reader = DIALECT.reader(whole)
    try:
        events = reader.feed(bytes(stream)) + reader.close()
    except GatewayError:
        return
    assert isinstance(events[0], Started | Failed) and isinstance(events[-1], Finished | Failed)


# --- requests -------------------------------------------------------------------------------------------------------

IMAGE = st.one_of(
    st.builds(Image, base64=st.just(PNG), media_type=st.just("image/png"), detail=st.sampled_from((None, "low"))),
    st.builds(Image, url=st.just("https://a.test/x.png"), detail=st.sampled_from((None, "auto", "high"))),
)


@st.composite
def own_chats(draw):
    """All that Cohere's dialect can say."""
    messages = [Message(role="system", parts=(Text(text=draw(TEXT)),))] if draw(st.booleans()) else []
    turns = draw(st.lists(st.sampled_from(("user", "assistant", "tools", "thinking")), max_size=3))
    cite = draw(st.booleans())
    for number, kind in enumerate(turns):
        messages.append(Message(role="user", parts=(Text(text=draw(TEXT)), *draw(st.lists(IMAGE, max_size=1)))))
        if kind == "user":
            continue
        said = draw(TEXT)
        source = {"document": draw(st.integers(0, 2))} if draw(st.booleans()) else {"opaque": draw(HANDLE)}
        cited = (Citation(start=0, end=draw(st.integers(0, len(said))), **source),) if draw(st.booleans()) else ()
        parts = [Text(text=said, citations=cited)]
        if kind == "thinking":
            parts.insert(0, Reasoning(text=draw(TEXT)))
        if kind != "assistant":
            parts.append(ToolCall(id=f"c{number}", name=draw(NAME), arguments=draw(ARGUMENTS)))
        messages.append(Message(role="assistant", parts=tuple(parts)))
        if kind != "assistant":
            result = ToolResult(call_id=f"c{number}", parts=(Text(text=draw(TEXT)),))
            messages.append(Message(role="tool", parts=(result,)))
    documents = draw(
        st.lists(
            st.builds(Document, text=TEXT, name=st.none() | TEXT, context=st.none() | TEXT, cite=st.just(cite)),
            max_size=2,
        )
    )
    messages.append(Message(role="user", parts=(*documents, Text(text="JSON, " + draw(TEXT)))))
    strict = draw(st.sampled_from((None, True)))
    names = draw(st.lists(NAME, max_size=2, unique=True))
    tools = tuple(Tool(name=name, description=draw(TEXT), parameters=SCHEMA, strict=strict) for name in names)
    wishes = draw(st.sampled_from(({}, {"effort": "none"}, {"thinking_budget": -1}, {"thinking_budget": 512})))
    formats = st.sampled_from((None, AnswerFormat(), AnswerFormat(schema=SCHEMA, strict=True)))
    return Chat(
        model=MODEL,
        messages=tuple(messages),
        tools=tools,
        tool_choice=draw(st.sampled_from((None, "required", "none")).map(choice_of)) if tools else None,
        answer_format=None if tools or documents else draw(formats),
        max_tokens=draw(st.none() | st.integers(1, 9000)),
        temperature=draw(st.none() | FRACTION),
        top_p=draw(st.none() | st.floats(0.01, 0.99)),
        top_k=draw(st.none() | st.integers(0, 500)),
        stop=tuple(draw(st.lists(TEXT, max_size=5))),
        seed=draw(st.none() | st.integers(0, 2**63 - 1)),
        frequency_penalty=draw(st.none() | st.floats(0.1, 1)),
        presence_penalty=draw(st.none() | st.floats(0.1, 1)),
        logprobs=draw(st.booleans()),
        stream=draw(st.booleans()),
        **wishes,
    )


def choice_of(mode):
    return None if mode is None else ToolChoice(mode=mode)


@settings(max_examples=150, deadline=None)
@given(own_chats())
def test_a_request_written_and_read_again(validate, ask, chat):
    found = DIALECT.write_request(chat, Model(name=MODEL))
    assert found.notes == () and found.fetch == ()
    validate("ChatRequest", json.loads(found.body))
    assert DIALECT.read_request(Body(found.body)) == chat


MEDIA = st.one_of(
    IMAGE,
    st.builds(Image, url=st.just("https://a.test/"), detail=st.just("original"), cache=st.just(CacheMark())),
    st.builds(Document, text=TEXT, cite=st.booleans(), cache=st.none() | st.just(CacheMark(ttl="1h"))),
    st.builds(Document, base64=st.just("aGk="), media_type=st.just("text/plain"), name=TEXT),
)
ASKED = st.lists(st.one_of(st.builds(Text, text=st.text(max_size=3).filter(str.isprintable)), MEDIA), max_size=3)
SPOKEN = st.lists(
    st.one_of(
        st.builds(
            Text,
            text=TEXT,
            citations=st.lists(
                st.builds(
                    Citation,
                    url=st.none() | st.just("https://a.test/"),
                    document=st.none() | st.integers(0, 3),
                    start=st.none() | st.integers(0, 40),
                    end=st.none() | st.integers(0, 40),
                    opaque=st.none() | FOREIGN | HANDLE | TEXT.map(lambda text: Opaque(origin="cohere", data=text)),
                ),
                max_size=2,
            ).map(tuple),
        ),
        st.builds(Refusal, text=TEXT),
        st.builds(Reasoning, text=st.just("") | TEXT, signature=st.none() | FOREIGN, redacted=st.booleans()),
        st.builds(HostedToolUse, id=TEXT, tool=TEXT, opaque=FOREIGN),
    ),
    max_size=4,
)


@st.composite
def any_chats(draw):
    """What callers of any dialect may want, as far as Cohere does not have to refuse it."""
    messages = []
    for number in range(draw(st.integers(0, 3))):
        role = draw(st.sampled_from(("user", "system", "developer", "assistant", "called")))
        if role == "user":
            messages.append(Message(role="user", parts=tuple(draw(ASKED)), name=draw(st.none() | NAME)))
        elif role in ("system", "developer"):
            messages.append(Message(role=role, parts=tuple(Text(text=text) for text in draw(st.lists(TEXT)))))
        else:
            called = []
            if role == "called":
                custom = draw(st.booleans())
                signature = draw(st.none() | FOREIGN)
                arguments = draw(st.one_of(ARGUMENTS, TEXT, st.just("")))
                called = [
                    ToolCall(id=f"c{number}", name=draw(NAME), arguments=arguments, custom=custom, signature=signature)
                ]
            messages.append(Message(role="assistant", parts=(*draw(SPOKEN), *called)))
            for call in called:
                result = ToolResult(call_id=call.id, parts=tuple(draw(ASKED)), is_error=draw(st.booleans()))
                messages.append(Message(role="tool", parts=(result,)))
    messages.append(Message(role="user", parts=(*draw(ASKED), Text(text="Go."))))
    tools = [
        tool
        for tool in (
            Tool(name="one", parameters=SCHEMA, strict=draw(st.sampled_from((None, True, False)))),
            Tool(name="two", strict=draw(st.sampled_from((None, True, False)))),
            CustomTool(name="three", description="free"),
            WebSearch(),
            VendorTool(type="code", definition=Opaque(origin="anthropic", data="{}")),
        )
        if draw(st.booleans())
    ]
    functions = [tool.name for tool in tools if isinstance(tool, Tool | CustomTool)]
    choices = [None, ToolChoice(mode="auto"), ToolChoice(mode="none"), ToolChoice(mode="auto", allowed=("one", "web"))]
    if functions:
        choices += [ToolChoice(mode="required"), ToolChoice(mode="named", name=functions[0])]
    schemas = st.sampled_from((None, SCHEMA, OPEN_SCHEMA, {"type": "array", "items": SCHEMA}))
    numbers = st.none() | st.floats(-2, 2)
    return Chat(
        model="m",
        messages=tuple(messages),
        tools=tuple(tools),
        tool_choice=draw(st.sampled_from(choices)),
        parallel_tool_calls=draw(st.sampled_from((None, True, False))),
        answer_format=draw(st.none() | st.builds(AnswerFormat, schema=schemas, description=st.none() | TEXT)),
        max_tokens=draw(st.none() | st.integers(1, 10**6)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | FRACTION),
        top_k=draw(st.none() | st.integers(0, 10**4)),
        stop=tuple(draw(st.lists(st.just("") | TEXT, max_size=7))),
        seed=draw(st.none() | st.integers(-(2**63), 2**64)),
        frequency_penalty=draw(numbers),
        presence_penalty=draw(numbers),
        logprobs=draw(st.booleans()),
        top_logprobs=draw(st.none() | st.integers(0, 5)),
        effort=draw(st.sampled_from((None, "none", "minimal", "low", "max"))),
        thinking_budget=draw(st.sampled_from((None, -1, 0, 1, 4096))),
        service_tier=draw(st.sampled_from((None, "auto", "flex"))),
        user=draw(st.none() | TEXT),
        stream=draw(st.booleans()),
    )


@settings(max_examples=150, deadline=None)
@given(any_chats(), st.sampled_from((MODEL, "command-a-03-2025", "command-r-08-2024", "command-a-vision-07-2025")))
def test_whatever_is_asked_cohere_takes(validate, ask, chat, name):
    found = DIALECT.write_request(chat, Model(name=name, forces_tools="vision" not in name))
    body = json.loads(found.body)
    validate("ChatRequest", body)
    assert all(note.why.isascii() and not note.why.endswith(".") for note in found.notes)
    if b"image_url" in found.body and "vision" not in name:
        return  # the catalogue tells what takes images, not the name
    answer = ask(found.body)
    assert answer.status == 200, (answer.body, found.body)
    reader = DIALECT.reader(not chat.stream)
    events = [event for data in answer.events or (answer.body,) for event in reader.feed(data)] + reader.close()
    assert isinstance(events[-1], Finished)
    again = DIALECT.read_request(Body(found.body))
    assert len(again.tools) == len(body.get("tools", ())) and again.unplaced == ()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CASES), st.data())
def test_a_mangled_request_is_an_error_of_ours_or_a_chat(case, data):
    source = msgspec.json.decode((case / "request.json").read_bytes())
    holder = source
    for _ in range(data.draw(st.integers(1, 5))):
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            continue
        holder[key] = data.draw(JSON)
    try:
        chat = DIALECT.read_request(Body(msgspec.json.encode(source)))
        DIALECT.write_request(chat, Model(name=MODEL))
    except GatewayError as error:
        assert error.status == 400
