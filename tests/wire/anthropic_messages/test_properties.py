"""Whatever happens in an answer, what is written of it and read again is what happened; and no input is too odd."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.chat.event import (
    Cited,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.model import Model
from isthmus.core.chat.part import Citation, HostedToolUse, Opaque
from isthmus.core.chat.request import Chat
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError
from isthmus.wire.anthropic_messages import DIALECT
from isthmus.wire.anthropic_messages.parts.signatures import unsealed
from isthmus.wire.body import Body
from isthmus.wire.sealed import MARK, unseal_id

CASES = sorted((Path(__file__).parent.parent / "cases" / "anthropic_messages").iterdir())
REQUESTS = [(case / "request.json").read_bytes() for case in CASES]
STREAMS = [(case / "stream.sse").read_bytes() for case in CASES]
CHAT = Chat(model="m", messages=(), summary="auto")
TEXT = st.text(min_size=1, max_size=12)
COUNT = st.integers(0, 10**6)
OPAQUE = st.builds(Opaque, origin=st.sampled_from(("anthropic", "openai", "google")), data=TEXT)
CITATION = st.one_of(
    st.builds(Citation, url=st.just("https://example.com"), title=TEXT, quote=TEXT, opaque=st.none() | OPAQUE),
    st.builds(
        Citation,
        title=TEXT,
        quote=TEXT,
        document=st.integers(0, 9),
        location=st.sampled_from(("char", "page", "block")),
        first=st.integers(1, 9),
        last=st.integers(1, 9),
    ),
)


@st.composite
def usages(draw):
    read, written, output = draw(COUNT), draw(COUNT), draw(COUNT)
    return Usage(
        input_tokens=draw(COUNT) + read + written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=draw(st.integers(0, output)),
        web_searches=draw(st.integers(0, 3)),
    )


@st.composite
def answers(draw):
    """Texts, their sources, thoughts, searches and calls in any order, in any pieces."""
    events = [Started(id="x", model="m")]
    calls = 0
    kinds = st.sampled_from(("text", "sources", "thought", "hidden", "search", "call"))
    for kind in draw(st.lists(kinds, max_size=6)):
        if kind == "text":
            events += [TextDelta(text=text) for text in draw(st.lists(TEXT, min_size=1, max_size=3))]
        elif kind == "sources":
            events.append(TextDelta(text=draw(TEXT)))
            events += [Cited(citation=one) for one in draw(st.lists(CITATION, min_size=1, max_size=2))]
        elif kind == "thought":
            events += [ReasoningDelta(text=text) for text in draw(st.lists(TEXT, min_size=1, max_size=3))]
            if draw(st.booleans()):
                events.append(ReasoningDelta(signature=draw(OPAQUE)))
        elif kind == "hidden":
            events.append(ReasoningDelta(redacted=True, signature=draw(OPAQUE)))
        elif kind == "search":
            asked = json.dumps({"query": draw(TEXT)})
            use = HostedToolUse(
                id=f"ws_{draw(COUNT)}", tool="web_search", input=asked, opaque=draw(OPAQUE.filter(other))
            )
            events.append(HostedToolUsed(use=use))
        else:
            arguments = json.dumps(draw(st.dictionaries(TEXT, st.one_of(TEXT, COUNT, st.none()), max_size=3)))
            cut = draw(st.integers(0, len(arguments)))
            signature = draw(st.none() | OPAQUE)
            events.append(ToolCallStarted(index=calls, id=f"call_{calls}", name="f", signature=signature))
            pieces = (piece for piece in (arguments[:cut], arguments[cut:]) if piece)
            events += [ToolCallDelta(index=calls, arguments=piece) for piece in pieces]
            calls += 1
    reason = "tool_calls" if calls else draw(st.sampled_from(("stop", "length", "refusal", "pause", "context_length")))
    return [*events, Finished(reason=reason), UsageReported(usage=draw(usages()))]


def other(opaque):
    return opaque.origin != "anthropic"


def told(events):
    """What an answer comes to: its parts, its usage, why it ended, whose it is."""
    parts, usage, reason, model = [], None, None, None
    for event in events:
        if isinstance(event, UsageReported):
            usage = msgspec.structs.replace(event.usage, service_tier=None)
        elif isinstance(event, Finished):
            reason = event.reason
        elif isinstance(event, Started):
            model = event.model
        elif isinstance(event, ReasoningDelta):
            think(parts, event)
        else:
            tell(parts, event)
    return [finished(part) for part in parts], usage, reason, model


def think(parts, event):
    if event.redacted:
        parts.append(["hidden", opened(event.signature)])
        return
    if not parts or parts[-1][0] != "thought" or parts[-1][3]:
        parts.append(["thought", "", None, False])
    parts[-1][1] += event.text
    if event.signature is not None:
        parts[-1][2:] = [opened(event.signature), True]


def tell(parts, event):
    """What is sealed is opened, as it is when it comes back in the next turn."""
    if isinstance(event, TextDelta):
        if not parts or parts[-1][0] != "text" or parts[-1][2]:
            parts.append(["text", "", []])
        parts[-1][1] += event.text
    elif isinstance(event, Cited):
        opaque = event.citation.opaque and opened(event.citation.opaque)
        parts[-1][2].append(msgspec.structs.replace(event.citation, opaque=opaque, start=None, end=None))
    elif isinstance(event, HostedToolUsed):
        parts.append(["search", json.loads(event.use.input), event.use.opaque])
    elif isinstance(event, ToolCallStarted):
        id_, signature = unseal_id(event.id)
        parts.append(["call", id_, event.signature or signature, event.name, ""])
    elif isinstance(event, ToolCallDelta):
        parts[-1][4] += event.arguments


def finished(part):
    if part[0] == "call":
        return [*part[:4], json.loads(part[4])]
    return part[:3] if part[0] == "thought" else part


def opened(signature):
    return unsealed(signature.data) if not other(signature) else signature


@settings(max_examples=150, deadline=None)
@given(answers(), st.booleans(), st.integers(1, 200))
def test_an_answer_written_and_read_again(events, whole, size):
    writer, reader = DIALECT.writer(whole, CHAT), DIALECT.reader(whole)
    data = b"".join([*(writer.write(event) for event in events), writer.close()])
    read = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert told(read + reader.close()) == told(events)
    summary = DIALECT.summarize(data, whole)
    assert msgspec.structs.replace(summary.usage, service_tier=None) == told(events)[1]
    assert summary.finish_reason == told(events)[2]


@settings(max_examples=80, deadline=None)
@given(answers(), st.sampled_from((None, "none", "auto")))
def test_a_streamed_and_a_whole_answer_say_the_same(events, summary):
    chat = Chat(model="m", messages=(), summary=summary)
    said = []
    for whole in (False, True):
        writer, reader = DIALECT.writer(whole, chat), DIALECT.reader(whole)
        data = b"".join([*(writer.write(event) for event in events), writer.close()])
        said.append(told([*reader.feed(data), *reader.close()]))
    assert said[0] == said[1]


@settings(max_examples=200, deadline=None)
@given(usages(), st.integers(0, 10**6))
def test_token_classes_add_up(usage, hour):
    usage = msgspec.structs.replace(usage, cache_write_1h_tokens=min(hour, usage.cache_write_tokens))
    writer = DIALECT.writer(True, CHAT)
    for event in (Started(id="x", model="m"), Finished(reason="stop"), UsageReported(usage=usage)):
        writer.write(event)
    told_usage = json.loads(writer.close())["usage"]
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    assert sum(told_usage[name] for name in names) == usage.input_tokens
    assert sum(told_usage["cache_creation"].values()) == told_usage["cache_creation_input_tokens"]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_crash_a_summary(data, whole):
    assert DIALECT.summarize(data, whole).usage is None
    assert not DIALECT.stream_ended(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**30) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        yield from places(item, (*path, name))


@st.composite
def mangled(draw, originals):
    """One of these, with one place in it changed to something else or taken out."""
    value = json.loads(draw(st.sampled_from(originals)))
    path = draw(st.sampled_from(list(places(value))[1:]))
    holder = value
    for name in path[:-1]:
        holder = holder[name]
    if draw(st.booleans()):
        holder[path[-1]] = draw(JSON)
    else:
        del holder[path[-1]]
    return value


@settings(max_examples=400, deadline=None)
@given(mangled(REQUESTS))
def test_no_request_raises_but_what_is_ours(value):
    data = msgspec.json.encode(value)
    try:
        chat = DIALECT.read_request(Body(data))
        DIALECT.write_request(chat, Model(name="claude"))
    except GatewayError as error:
        assert error.message and error.status == 400
    data = msgspec.json.encode({"x": MARK, **value})
    try:
        DIALECT.relay_request(Body(data), "claude")
    except GatewayError as error:
        assert error.status == 400


EVENTS = [line[6:] for stream in STREAMS for line in stream.split(b"\n") if line.startswith(b"data: {")]


@settings(max_examples=400, deadline=None)
@given(st.lists(mangled(EVENTS), min_size=1, max_size=4), st.sampled_from(STREAMS))
def test_no_stream_raises_but_what_is_ours(events, stream):
    lines = stream.split(b"\n\n")
    odd = b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)
    data = lines[0] + b"\n\n" + odd + b"\n\n".join(lines[1:])
    reader, writer = DIALECT.reader(False), DIALECT.writer(False, CHAT)
    try:
        for event in reader.feed(data) + reader.close():
            writer.write(event)
        writer.close()
    except GatewayError:
        pass
