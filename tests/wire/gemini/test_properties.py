"""Whatever is asked or answered, what is written of it and read again is the same; and no bytes raise anything else
than an error of ours."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.chat.event import (
    Finished,
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
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
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
from isthmus.wire.body import Body
from isthmus.wire.gemini import DIALECT

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
NAME = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
COUNT = st.integers(0, 10**6)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), COUNT, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
SIGNED = st.binary(min_size=1, max_size=9).map(
    lambda data: Opaque(origin="google", data=base64.b64encode(b"\xff" + data).decode())
)
FOREIGN = st.tuples(st.sampled_from(("anthropic", "openai", "cohere")), TEXT).map(
    lambda pair: Opaque(origin=pair[0], data=pair[1])
)
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()
PDF = base64.b64encode(b"%PDF-1.7 ...").decode()
CASES = sorted((Path(__file__).parent.parent / "cases" / "gemini").iterdir())


# --- answers --------------------------------------------------------------------------------------------------------


@st.composite
def answers(draw, signatures):
    """Texts, thoughts and calls in any order, in any pieces."""
    events = [Started(id="x", model="m")]
    calls = 0
    for kind in draw(st.lists(st.sampled_from(("text", "thought", "call")), max_size=6)):
        if kind == "text":
            events += [TextDelta(text=text) for text in draw(st.lists(TEXT, min_size=1, max_size=3))]
        elif kind == "thought":
            events += [ReasoningDelta(text=text) for text in draw(st.lists(TEXT, min_size=1, max_size=3))]
            events.append(ReasoningDelta(signature=draw(signatures)))
        else:
            arguments = json.dumps(draw(OBJECT))
            cut = draw(st.integers(0, len(arguments)))
            signature = draw(st.one_of(st.none(), SIGNED))
            events.append(ToolCallStarted(index=calls, id=f"id_{calls}", name="f", signature=signature))
            pieces = (piece for piece in (arguments[:cut], arguments[cut:]) if piece)
            events += [ToolCallDelta(index=calls, arguments=piece) for piece in pieces]
            calls += 1
    read, thought = draw(COUNT), draw(COUNT)
    usage = Usage(
        input_tokens=draw(COUNT) + read,
        output_tokens=draw(COUNT) + thought,
        cache_read_tokens=read,
        reasoning_tokens=thought,
    )
    reason = "tool_calls" if calls else draw(st.sampled_from(("stop", "length", "content_filter")))
    return [*events, Finished(reason=reason), UsageReported(usage=usage)]


def told(events):
    """What an answer comes to."""
    parts, usage, reason = [], None, None
    for event in events:
        if isinstance(event, TextDelta):
            if not parts or parts[-1][0] != "text":
                parts.append(["text", ""])
            parts[-1][1] += event.text
        elif isinstance(event, ReasoningDelta):
            if not parts or parts[-1][0] != "thought" or parts[-1][2] is not None:
                parts.append(["thought", "", None])
            parts[-1][1] += event.text
            parts[-1][2] = event.signature
        elif isinstance(event, ToolCallStarted):
            signature = event.signature if event.signature != NOT_SIGNED else None
            parts.append(["call", event.id, event.name, signature, ""])
        elif isinstance(event, ToolCallDelta):
            parts[-1][4] += event.arguments
        elif isinstance(event, UsageReported):
            usage = event.usage
        elif isinstance(event, Finished):
            reason = event.reason
    calls = [[*part[:4], json.loads(part[4])] if part[0] == "call" else part for part in parts]
    return calls, usage, reason


NOT_SIGNED = Opaque(origin="google", data="skip_thought_signature_validator")


@settings(max_examples=80, deadline=None)
@given(answers(SIGNED), st.booleans(), st.integers(1, 200))
def test_an_answer_written_and_read_again(events, whole, size):
    writer, reader = DIALECT.writer(whole, Chat(model="m", messages=(), summary="auto")), DIALECT.reader(whole)
    data = b"".join([*(writer.write(event) for event in events), writer.close()])
    read = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert told(read + reader.close()) == told(events)
    summary = DIALECT.summarize(data, whole)
    assert (summary.usage, summary.finish_reason) == told(events)[1:]


def kept_by_a_caller(data, whole):
    """What SDKs keep of an answer for the next turn: each chunk's content as one of its own."""
    lines = [data] if whole else [line[6:] for line in data.split(b"\n\n") if line]
    return [json.loads(line)["candidates"][0]["content"] for line in lines]


@settings(max_examples=80, deadline=None)
@given(answers(FOREIGN), st.booleans(), st.sampled_from((None, "none", "auto")))
def test_another_vendors_answer_comes_back_with_the_next_turn(events, whole, summary):
    writer = DIALECT.writer(whole, Chat(model="m", messages=(), summary=summary))
    data = b"".join([*(writer.write(event) for event in events), writer.close()])
    contents = [{"parts": [{"text": "Go."}]}, *kept_by_a_caller(data, whole)]
    chat = DIALECT.read_request(Body(json.dumps({"contents": contents}).encode()))
    parts = [part for message in chat.messages[1:] for part in message.parts]
    again = []
    for part in parts:
        if isinstance(part, Text):
            again.append(["text", part.text])
        elif isinstance(part, Reasoning):
            again.append(["thought", part.text, part.signature])
        else:
            again.append(["call", part.id, part.name, part.signature, json.loads(part.arguments)])
    assert again == told(events)[0]
    relayed = DIALECT.relay_request(Body(json.dumps({"contents": contents}).encode()), "gemini-3-flash").body
    signed = [
        part.get("thoughtSignature", "") for content in json.loads(relayed)["contents"] for part in content["parts"]
    ]
    assert not any(base64.b64decode(text, altchars=b"-_").startswith(b"isthmus") for text in signed)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_crash_a_summary(data, whole):
    assert DIALECT.summarize(data, whole).usage is None
    assert not DIALECT.stream_ended(data)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CASES), st.data(), st.booleans())
def test_a_mangled_answer_is_an_error_of_ours_or_an_answer(case, data, whole):
    stream = bytearray((case / "stream.sse").read_bytes())
    if whole:
        stream = stream.removeprefix(b"data: ").partition(b"\r\n")[0]
    for _ in range(data.draw(st.integers(1, 6))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    reader = DIALECT.reader(whole)
    try:
        events = reader.feed(bytes(stream)) + reader.close()
    except GatewayError:
        return
    for event in events:
        if isinstance(event, UsageReported):
            usage = event.usage
            assert 0 <= usage.cache_read_tokens <= usage.input_tokens
            assert 0 <= usage.reasoning_tokens + usage.output_audio_tokens <= usage.output_tokens
            assert 0 <= usage.input_audio_tokens <= usage.input_tokens


VALUES = st.one_of(JSON, st.just({"text": "x"}), st.just([[[[]]]]), st.floats(), st.just("\x00"), st.just(10**30))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CASES), st.data())
def test_a_mangled_request_is_refused_or_read(case, data):
    asked = json.loads((case / "request.json").read_text())
    places = []

    def walk(value):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            places.append((value, key))
            if isinstance(inner, dict | list):
                walk(inner)

    walk(asked)
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = places[data.draw(st.integers(0, len(places) - 1))]
        holder[key] = data.draw(VALUES)
    try:
        chat = DIALECT.read_request(Body(json.dumps(asked).encode()))
        DIALECT.write_request(chat, Model(name="gemini-3-flash"))
    except GatewayError as error:
        assert error.status == 400


# --- requests -------------------------------------------------------------------------------------------------------

SEEN = st.one_of(
    TEXT.map(lambda text: Text(text=text)),
    st.just(Image(base64=PNG, media_type="image/png", detail="low")),
    st.just(Image(url="https://a.example/b.png", media_type="image/png", detail="low")),
    st.just(Image(file=Opaque(origin="google", data="gs://b/c.png"), media_type="image/png", detail="low")),
    st.just(Document(base64=PDF, media_type="application/pdf")),
    TEXT.map(lambda text: Document(text=text, media_type="text/plain")),
    st.just(Document(url="https://a.example/b.pdf", media_type="application/pdf")),
    st.just(Audio(base64="AAAA", media_type="audio/wav")),
    st.just(Video(url="https://youtu.be/abc")),
    st.just(Video(base64="AAAA", media_type="video/mp4")),
)
SHOWN = st.lists(st.just(Image(base64=PNG, media_type="image/png", detail="low")), max_size=2)


def compact(value):
    return msgspec.json.encode(value).decode()


@st.composite
def results(draw, call):
    kind = draw(st.sampled_from(("text", "object", "error", "nothing")))
    text = {"text": draw(TEXT), "object": compact(draw(OBJECT)), "error": draw(TEXT), "nothing": ""}[kind]
    parts = (Text(text=text),) if text else ()
    return ToolResult(call_id=call.id, name=call.name, parts=(*parts, *draw(SHOWN)), is_error=kind == "error")


@st.composite
def conversations(draw):
    messages = []
    if draw(st.booleans()):
        texts = draw(st.lists(TEXT, min_size=1, max_size=2))
        messages.append(Message(role="system", parts=tuple(Text(text=text) for text in texts)))
    for turn in range(draw(st.integers(1, 3))):
        messages.append(Message(role="user", parts=tuple(draw(st.lists(SEEN, min_size=1, max_size=3)))))
        parts = []
        if draw(st.booleans()):
            parts.append(Reasoning(text=draw(TEXT), signature=draw(st.one_of(st.none(), SIGNED))))
        if draw(st.booleans()):
            parts.append(Text(text=draw(TEXT)))
            if draw(st.booleans()):
                parts.append(Reasoning(text="", signature=draw(SIGNED)))
        calls = [
            ToolCall(id=f"g{turn}_{number}", name=draw(NAME), arguments=compact(draw(OBJECT)), signature=draw(SIGNED))
            for number in range(draw(st.integers(0, 2)))
        ]
        if parts or calls:
            messages.append(Message(role="assistant", parts=(*parts, *calls)))
        messages += [Message(role="tool", parts=(draw(results(call)),)) for call in calls]
    return tuple(messages)


SCHEMA = st.just({"type": "object", "properties": {"a": {"type": ["string", "null"], "pattern": "^x"}}, "$defs": {}})
NUMBER = st.one_of(st.none(), st.floats(0.125, 1))


@st.composite
def chats(draw):
    names = draw(st.lists(NAME, max_size=2, unique=True))
    strict = draw(st.sampled_from((None, True)))
    functions = [
        Tool(name=name, description=draw(st.one_of(st.none(), TEXT)), parameters=draw(SCHEMA), strict=strict)
        for name in names
    ]
    choices = [None, ToolChoice(mode="none")] if strict is None else [ToolChoice(mode="auto")]
    if names:
        choices += [ToolChoice(mode="auto", allowed=tuple(names))] if strict else []
        if strict is None:
            choices += [ToolChoice(mode="auto"), ToolChoice(mode="required"), ToolChoice(mode="named", name=names[0])]
    vendor = VendorTool(type="codeExecution", definition=Opaque(origin="google", data='{"codeExecution":{}}'))
    others = draw(st.sampled_from(((), (WebSearch(),), (vendor,))))
    thinking = draw(
        st.sampled_from(({}, {"effort": "low"}, {"effort": "high", "summary": "auto"}, {"summary": "none"}))
    )
    logprobs = draw(st.booleans())
    tools = (*functions, *others)
    return Chat(
        model="",
        messages=draw(conversations()),
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)) if names else None,
        max_tokens=draw(st.one_of(st.none(), st.integers(1, 9999))),
        temperature=draw(NUMBER),
        top_p=draw(NUMBER),
        top_k=draw(st.one_of(st.none(), st.integers(1, 99))),
        stop=tuple(draw(st.lists(TEXT, max_size=5))),
        seed=draw(st.one_of(st.none(), COUNT)),
        frequency_penalty=draw(NUMBER),
        presence_penalty=draw(NUMBER),
        choices=draw(st.integers(1, 3)),
        logprobs=logprobs,
        top_logprobs=draw(st.integers(0, 20)) if logprobs else None,
        answer_format=draw(
            st.sampled_from((None, AnswerFormat(), AnswerFormat(schema={"type": "object"}, strict=True)))
        ),
        service_tier=draw(st.sampled_from((None, "flex", "priority"))),
        **thinking,
    )


@settings(max_examples=60, deadline=None)
@given(chats())
def test_a_request_written_and_read_again(validate, chat):
    written = DIALECT.write_request(chat, Model(name="gemini-3-flash"))
    assert written.notes == () and written.fetch == ()
    asked = json.loads(written.body)
    for content in asked["contents"]:
        for part in content["parts"]:
            part.pop("mediaResolution", None)
    validate("GenerateContentRequest", asked)
    assert DIALECT.read_request(Body(written.body)) == chat
