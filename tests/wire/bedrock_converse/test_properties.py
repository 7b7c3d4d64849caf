"""What is written and read again is what it was; whatever is sent, nothing but our own errors comes of it."""

from __future__ import annotations

import copy
import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.chat.event import (
    Cited,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.model import Model
from isthmus.core.chat.part import Citation
from isthmus.core.chat.request import (
    AnswerFormat,
    Audio,
    CacheMark,
    Chat,
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
    Video,
    WebSearch,
)
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError
from isthmus.wire.bedrock_converse import DIALECT
from isthmus.wire.body import Body

few = settings(max_examples=60, deadline=None)

CLAUDE = Model(name="us.anthropic.claude-sonnet-4-6")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SIGNED = Opaque(origin="anthropic", data="c2ln")
TEXT = st.text(min_size=1, max_size=12)
PLAIN = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
COUNT = st.integers(0, 10**6)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | TEXT, lambda inner: st.dictionaries(TEXT, inner))
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
MARK = st.none() | st.just(CacheMark())


# --- answers ----------------------------------------------------------------------------------------------------------


@st.composite
def answers(draw):
    """Texts with their sources, thoughts and calls in any order, in any pieces."""
    events = [Started(id="x", model="m")]
    calls = said = 0
    for kind in draw(st.lists(st.sampled_from(("text", "thought", "call")), max_size=6)):
        if kind == "text":
            texts = draw(st.lists(TEXT, min_size=1, max_size=3))
            events += [TextDelta(text=text) for text in texts]
            said += sum(map(len, texts))
            if draw(st.booleans()):
                source = Citation(document=draw(st.integers(0, 4)), location="char", first=1, last=2, title=draw(TEXT))
                events.append(Cited(citation=source))
        elif kind == "thought":
            events += [ReasoningDelta(text=text) for text in draw(st.lists(TEXT, min_size=1, max_size=3))]
            if draw(st.booleans()):
                events.append(ReasoningDelta(signature=Opaque(origin="anthropic", data=draw(PLAIN))))
        else:
            arguments = json.dumps(draw(OBJECT))
            cut = draw(st.integers(0, len(arguments)))
            events.append(ToolCallStarted(index=calls, id=f"call_{calls}", name="f"))
            pieces = (piece for piece in (arguments[:cut], arguments[cut:]) if piece)
            events += [ToolCallDelta(index=calls, arguments=piece) for piece in pieces]
            calls += 1
    read, written = draw(COUNT), draw(COUNT)
    usage = Usage(
        input_tokens=draw(COUNT) + read + written,
        output_tokens=draw(COUNT),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=draw(st.integers(0, written)),
        service_tier=draw(st.sampled_from((None, "flex", "default"))),
    )
    reason = "tool_calls" if calls else draw(st.sampled_from(("stop", "length", "content_filter", "context_length")))
    return [*events, Finished(reason=reason), UsageReported(usage=usage)]


def told(events):
    """What an answer comes to."""
    parts, usage, reason = [], None, None
    for event in events:
        if isinstance(event, TextDelta):
            if not parts or parts[-1][0] != "text" or parts[-1][2]:
                parts.append(["text", "", []])
            parts[-1][1] += event.text
        elif isinstance(event, Cited):
            citation = event.citation
            parts[-1][2].append((citation.document, citation.location, citation.first, citation.last, citation.title))
        elif isinstance(event, ReasoningDelta):
            if not parts or parts[-1][0] != "thought" or parts[-1][2] is not None:
                parts.append(["thought", "", None])
            parts[-1][1] += event.text
            parts[-1][2] = event.signature
        elif isinstance(event, ToolCallStarted):
            parts.append(["call", event.id, event.name, ""])
        elif isinstance(event, ToolCallDelta):
            parts[-1][3] += event.arguments
        elif isinstance(event, UsageReported):
            usage = event.usage
        elif isinstance(event, Finished):
            reason = event.reason
    return [[*part[:3], json.loads(part[3])] if part[0] == "call" else part for part in parts], usage, reason


@few
@given(answers(), st.booleans(), st.integers(1, 200))
def test_an_answer_written_and_read_again(validate, events_of, events, whole, size):
    writer, reader = DIALECT.writer(whole, Chat(model="m", messages=())), DIALECT.reader(whole)
    data = b"".join([*(writer.write(event) for event in events), writer.close()])
    if whole:
        validate("ConverseResponse", json.loads(data))
    else:
        events_of(data)
    read = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    read += reader.close()
    assert told(read) == told(events)
    summary = DIALECT.summarize(data, whole)
    assert (summary.usage, summary.finish_reason, summary.failed) == (*told(events)[1:], False)
    usage = told(read)[1]
    assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens
    assert usage.cache_write_1h_tokens <= usage.cache_write_tokens


@few
@given(answers(), st.booleans(), st.data())
def test_a_mangled_answer(frames, events, whole, data):
    """Read to its end, or one of our errors."""
    writer = DIALECT.writer(whole, Chat(model="m", messages=()))
    written = b"".join([*(writer.write(event) for event in events), writer.close()])
    if whole:
        mangled = json.dumps(spoiled(json.loads(written), data)).encode()
    else:
        names = (
            "messageStart",
            "contentBlockStart",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata",
        )
        payloads = [
            {"contentBlockIndex": 0, "delta": {"text": "x"}},
            {"start": {"toolUse": {"toolUseId": "a", "name": "f"}}},
        ]
        payloads += [
            {"delta": {"reasoningContent": {"text": "x"}}},
            {"stopReason": "end_turn"},
            {"usage": {"inputTokens": 1}},
        ]
        chosen = data.draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(payloads)), max_size=8))
        mangled = b"".join(frames([(name, spoiled(copy.deepcopy(payload), data)) for name, payload in chosen]))
    reader = DIALECT.reader(whole)
    try:
        reader.feed(mangled)
        reader.close()
    except GatewayError:
        pass
    DIALECT.summarize(mangled, whole)


@few
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_crash_a_summary(data, whole):
    assert DIALECT.summarize(data, whole).usage is None
    assert not DIALECT.stream_ended(data)


ODD = st.sampled_from(
    [None, True, 0, -1, 2.5, 10**30, 1e300, "", "x", [], {}, [None], ["x"], [[]], {"text": "x"}, {"json": {}}]
)


def spoiled(body, data):
    """One place of it taken out, or filled with something odd."""
    places, rest = [], [body]
    while rest:
        value = rest.pop()
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                rest.append(value[key])
    if places:
        container, key = data.draw(st.sampled_from(places))
        container[key] = data.draw(ODD)
    return body


# --- requests ---------------------------------------------------------------------------------------------------------


def texts(mark=True):
    text = st.text(min_size=1, max_size=9).filter(str.strip)
    return st.builds(Text, text=text, cache=MARK if mark else st.none())


@st.composite
def conversations(draw):
    """What Converse holds, in the form in which it is read: turn by turn, the user first, each call answered."""
    messages, calls, names = [], 0, 0
    marks = 0
    for _ in range(draw(st.integers(1, 3))):
        seen = [*draw(st.lists(texts(mark=False), min_size=1, max_size=2))]
        if draw(st.booleans()):
            seen.append(Image(base64=PNG, media_type="image/png", cache=CacheMark() if marks < 2 else None))
            marks += 1
        if draw(st.booleans()):
            names += 1
            seen.append(
                Document(
                    text=draw(PLAIN), name=f"Doc {names}", context=draw(st.none() | PLAIN), cite=draw(st.booleans())
                )
            )
        messages.append(Message(role="user", parts=tuple(seen)))
        spoken = draw(
            st.sampled_from(
                ((), (Reasoning(text="hm", signature=SIGNED),), (Reasoning(text="", redacted=True, signature=SIGNED),))
            )
        )
        cited = Citation(title="t", quote="q", document=0, location="page", first=1, last=2)
        spoken = (*spoken, Text(text="ok", citations=(cited,) if draw(st.booleans()) else ()))
        answered = []
        for _ in range(draw(st.integers(0, 2))):
            id_ = f"tooluse_{calls}"
            calls += 1
            arguments = json.dumps(draw(OBJECT), separators=(",", ":"), ensure_ascii=False)
            spoken = (*spoken, ToolCall(id=id_, name="f", arguments=arguments))
            parts = tuple(draw(st.lists(texts(mark=False), max_size=2)))
            result = ToolResult(call_id=id_, parts=parts, is_error=bool(parts) and draw(st.booleans()))
            answered.append(Message(role="tool", parts=(result,)))
        messages += [Message(role="assistant", parts=spoken), *answered]
    return (*messages, Message(role="user", parts=(Text(text="Go on."),))) if not answered else tuple(messages)


@st.composite
def chats(draw):
    system = draw(st.lists(texts(mark=False), max_size=2))
    messages = draw(conversations())
    head = (Message(role="system", parts=tuple(system)),) if system else ()
    schema = st.builds(
        lambda comment: {"type": "object", "properties": {}, "additionalProperties": False, "$comment": comment}, TEXT
    )
    more = draw(
        st.lists(
            st.builds(
                Tool,
                name=PLAIN.map("t_".__add__),
                description=st.none() | TEXT,
                parameters=schema,
                strict=st.sampled_from((None, True)),
                cache=MARK,
            ),
            max_size=1,
        )
    )
    tools = (Tool(name="f", parameters={"type": "object"}), *more)
    return Chat(
        model="",
        messages=head + messages,
        tools=tools,
        tool_choice=draw(
            st.sampled_from(
                (None, ToolChoice(mode="auto"), ToolChoice(mode="required"), ToolChoice(mode="named", name="f"))
            )
        ),
        parallel_tool_calls=draw(st.sampled_from((None, False))),
        max_tokens=draw(st.none() | st.integers(1, 10**6)),
        temperature=draw(st.none() | st.floats(0, 0.99)),
        top_p=draw(st.none() | st.floats(0, 0.99)),
        top_k=draw(st.none() | COUNT),
        stop=tuple(draw(st.lists(PLAIN, max_size=3))),
        answer_format=draw(
            st.none()
            | st.builds(AnswerFormat, name=PLAIN, schema=schema, strict=st.just(True), description=st.none() | TEXT)
        ),
        metadata=draw(st.none() | st.dictionaries(PLAIN, PLAIN, min_size=1, max_size=3)),
        user=draw(st.none() | PLAIN),
        service_tier=draw(st.sampled_from((None, "default", "flex", "priority"))),
    )


@few
@given(chats())
def test_a_request_written_and_read_again(validate, chat):
    written = DIALECT.write_request(chat, CLAUDE)
    assert {note.field for note in written.notes} <= {"user"} and written.fetch == ()
    validate("ConverseRequest", json.loads(written.body))
    read = DIALECT.read_request(Body(written.body))
    assert read == without_an_idle_choice(chat)


def without_an_idle_choice(chat):
    """`auto` beside a bound on parallel calls is said in one word, and is the default."""
    if chat.parallel_tool_calls is False and chat.tool_choice == ToolChoice(mode="auto"):
        return msgspec.structs.replace(chat, tool_choice=None)
    return chat


ORIGIN = st.sampled_from(("anthropic", "openai", "google", "aws"))
OPAQUE = st.builds(Opaque, origin=ORIGIN, data=st.sampled_from(("c2ln", "no base64!", '{"uri":"s3://bucket/a"}')))
SHOWN = st.one_of(
    st.builds(Text, text=st.text(max_size=5), cache=MARK),
    st.builds(Image, base64=st.just(PNG), media_type=st.sampled_from(("image/png", "image/bmp")), cache=MARK),
    st.builds(Image, url=st.just("https://a.example/x.png")),
    st.builds(Image, file=OPAQUE, media_type=st.just("image/png")),
    st.builds(
        Document, text=st.text(max_size=5), name=st.none() | st.text(max_size=300), cite=st.booleans(), cache=MARK
    ),
    st.builds(
        Document, base64=st.just("JVBERg=="), media_type=st.sampled_from((None, "application/pdf", "text/x")), name=TEXT
    ),
    st.builds(Video, base64=st.just("AA=="), media_type=st.just("video/mp4")),
)
USER_PART = SHOWN | st.builds(Audio, base64=st.just("AA=="), media_type=st.just("audio/wav"))
SPOKEN = st.one_of(
    st.builds(
        Text,
        text=st.text(max_size=5),
        cache=MARK,
        citations=st.sampled_from(((), (Citation(url="https://a.example"),), (Citation(title="x"),))),
    ),
    st.builds(Refusal, text=st.text(max_size=5)),
    st.builds(Reasoning, text=st.text(max_size=5), signature=st.none() | OPAQUE, redacted=st.booleans()),
    st.builds(
        ToolCall,
        id=st.text(max_size=80),
        name=st.text(max_size=80),
        arguments=st.sampled_from(("", "{}", "[", "x")),
        custom=st.booleans(),
        signature=st.none() | OPAQUE,
        cache=MARK,
    ),
    st.builds(HostedToolUse, id=TEXT, tool=TEXT),
)
MESSAGE = st.one_of(
    st.builds(Message, role=st.sampled_from(("system", "developer")), parts=st.lists(texts(), max_size=2).map(tuple)),
    st.builds(Message, role=st.just("user"), parts=st.lists(USER_PART, max_size=3).map(tuple), name=st.none() | TEXT),
    st.builds(Message, role=st.just("assistant"), parts=st.lists(SPOKEN, max_size=3).map(tuple)),
    st.builds(
        Message,
        role=st.just("tool"),
        parts=st.tuples(
            st.builds(
                ToolResult,
                call_id=st.text(max_size=80),
                parts=st.lists(SHOWN, max_size=2).map(tuple),
                is_error=st.booleans(),
                cache=MARK,
            )
        ),
    ),
)
NAME = st.sampled_from(("f", "g", "odd name"))
TOOL = st.one_of(
    st.builds(
        Tool,
        name=NAME,
        description=st.none() | st.text(max_size=3),
        parameters=OBJECT,
        strict=st.none() | st.booleans(),
        cache=MARK,
    ),
    st.builds(CustomTool, name=NAME),
    st.builds(WebSearch),
    st.builds(VendorTool, type=NAME, definition=OPAQUE),
)
MODELS = st.builds(
    Model,
    name=st.sampled_from(
        (CLAUDE.name, "amazon.nova-lite-v1:0", "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-20b-1:0", "x.y")
    ),
    max_output_tokens=st.none() | st.integers(1, 99_999),
    thinking=st.sampled_from((None, "none", "budget", "adaptive")),
    refuses=st.sampled_from((frozenset(), frozenset(("temperature", "effort", "tools")))),
    always_thinks=st.booleans(),
    forces_tools=st.booleans(),
    efforts=st.sampled_from((frozenset(), frozenset(("medium", "high")))),
)
ANY_CHAT = st.builds(
    Chat,
    model=st.just("m"),
    messages=st.lists(MESSAGE, max_size=5).map(tuple),
    tools=st.lists(TOOL, max_size=3).map(tuple),
    tool_choice=st.none()
    | st.builds(
        ToolChoice, mode=st.sampled_from(("auto", "required", "none")), allowed=st.lists(NAME, max_size=1).map(tuple)
    )
    | st.builds(ToolChoice, mode=st.just("named"), name=NAME),
    parallel_tool_calls=st.none() | st.booleans(),
    max_tokens=st.none() | st.integers(1, 10**6),
    temperature=st.none() | st.floats(-3, 3),
    top_p=st.none() | st.floats(-3, 3),
    top_k=st.none() | COUNT,
    stop=st.lists(st.text(max_size=3), max_size=6).map(tuple),
    answer_format=st.none() | st.builds(AnswerFormat, schema=st.none() | OBJECT),
    effort=st.sampled_from((None, "none", "minimal", "low", "high", "max")),
    thinking_budget=st.none() | st.integers(-1, 99_999),
    summary=st.sampled_from((None, "none", "auto", "detailed")),
    cache=MARK,
    service_tier=st.sampled_from((None, "auto", "default", "scale")),
    metadata=st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=20),
    user=st.none() | st.text(max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(ANY_CHAT, MODELS)
def test_whatever_is_asked_is_a_request_or_refused(validate, chat, model):
    try:
        written = DIALECT.write_request(chat, model)
    except GatewayError as error:
        assert error.status == 400
        return
    body = json.loads(written.body)
    validate("ConverseRequest", body)
    roles = [message["role"] for message in body["messages"]]
    assert roles == [("user", "assistant")[index % 2] for index in range(len(roles))]
    points = json.dumps(body).count('"cachePoint"')
    assert points <= 4
    for content in (message["content"] for message in body["messages"]):
        assert content and "cachePoint" not in content[0]
    assert all(note.why.isascii() and not note.why.endswith(".") for note in written.notes)


@few
@given(chats(), st.data())
def test_a_mangled_request(chat, data):
    body = json.loads(DIALECT.write_request(chat, CLAUDE).body)
    spoiled(body, data)
    try:
        DIALECT.write_request(DIALECT.read_request(Body(json.dumps(body).encode())), CLAUDE)
    except GatewayError as error:
        assert error.status == 400
    DIALECT.relay_request(Body(json.dumps(body).encode()), "m")
