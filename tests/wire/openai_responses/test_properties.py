"""Whatever happens in an answer, what is written of it and read again is what happened, also when the caller sends it
with the next turn; whatever is asked, what is sent on asks the same; and nonsense is refused."""

from __future__ import annotations

import copy
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
    Chat,
    Citation,
    CustomTool,
    Document,
    Grammar,
    HostedToolUse,
    Image,
    Message,
    Opaque,
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
from isthmus.core.chat.usage import Usage
from isthmus.errors import GatewayError
from isthmus.wire.body import Body
from isthmus.wire.custom_tools import wrapped
from isthmus.wire.openai_responses import DIALECT
from isthmus.wire.openai_responses.opaque import signature_of

CASES = Path(__file__).parent.parent / "cases" / "openai_responses"
REQUESTS = [json.loads(path.read_text()) for path in sorted(CASES.glob("*/request.json"))]
STREAMS = [path.read_bytes() for path in sorted(CASES.glob("*/stream.sse"))]

CUSTOM = CustomTool(name="patch")
CHAT = Chat(model="m", messages=(), tools=(CUSTOM, Tool(name="f")), keep_reasoning=True)
TEXT = st.text(min_size=1, max_size=12)
NAME = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
COUNT = st.integers(0, 10**6)
URL = NAME.map(lambda name: f"https://{name}.example/")
OWN_SIGNATURE = st.builds(signature_of, st.one_of(st.none(), NAME.map("rs_{}".format)), NAME)
OTHER_SIGNATURE = st.builds(Opaque, origin=st.sampled_from(("anthropic", "google")), data=TEXT)
LOGPROBS = st.lists(
    st.builds(
        TokenLogprob,
        token=TEXT,
        logprob=st.floats(-9, 0),
        top=st.lists(st.tuples(TEXT, st.floats(-9, 0)), max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)
ARGUMENTS = st.dictionaries(TEXT, st.one_of(TEXT, COUNT, st.none()), max_size=3).map(json.dumps)


# --- answers --------------------------------------------------------------------------------------------------------


@st.composite
def answers(draw, signatures):
    """Texts with sources, refusals, thoughts, searches and calls in any order, in any pieces."""
    events = [Started(id="x", model="m", created=1)]
    calls = said = searches = 0
    kinds = ("text", "text", "cited", "refusal", "thought", "hidden", "search", "call", "custom", "wrapped")
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=8)):
        if kind in ("text", "cited"):
            for text in draw(st.lists(TEXT, min_size=1, max_size=3)):
                events.append(TextDelta(text=text, logprobs=draw(LOGPROBS)))
                said += len(text)
        if kind == "cited":
            # Within the last piece, and so in the part that is being written.
            start = said - draw(st.integers(0, len(events[-1].text)))
            events.append(Cited(citation=Citation(url=draw(URL), title=draw(TEXT), start=start, end=said)))
        elif kind == "refusal":
            events.append(RefusalDelta(text=draw(TEXT)))
        elif kind == "thought":
            events += [ReasoningDelta(text=text) for text in draw(st.lists(TEXT, min_size=1, max_size=3))]
            events.append(ReasoningDelta(signature=draw(signatures)))
        elif kind == "hidden":
            events.append(ReasoningDelta(signature=draw(signatures), redacted=True))
        elif kind == "search":
            events.append(HostedToolUsed(use=draw(searched(searches))))
            searches += 1
        elif kind in ("call", "custom", "wrapped"):
            events += draw(called(kind, calls))
            calls += 1
    read, written = draw(COUNT), draw(COUNT)
    usage = Usage(
        input_tokens=draw(COUNT) + read + written,
        output_tokens=draw(COUNT),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=draw(COUNT),
        web_searches=searches,
        service_tier=draw(st.sampled_from(("default", "flex", "priority"))),
    )
    reasons = ("length", "content_filter", "tool_calls" if calls else "stop")
    return [*events, Finished(reason=draw(st.sampled_from(reasons))), UsageReported(usage=usage)]


@st.composite
def searched(draw, index):
    urls = draw(st.lists(URL, max_size=2))
    action = {"type": "search", "query": draw(TEXT), "sources": [{"type": "url", "url": url} for url in urls]}
    item = {"id": f"ws_{index}", "type": "web_search_call", "status": "completed", "action": action}
    return HostedToolUse(
        id=f"ws_{index}",
        tool="web_search",
        input=msgspec.json.encode({"type": "search", "query": action["query"]}).decode(),
        results=tuple(SearchResult(url=url) for url in urls),
        opaque=Opaque(origin="openai", data=msgspec.json.encode(item).decode()),
    )


@st.composite
def called(draw, kind, index):
    written = draw(TEXT if kind == "custom" else TEXT.map(wrapped) if kind == "wrapped" else ARGUMENTS)
    cut = draw(st.integers(0, len(written)))
    name = "f" if kind == "call" else "patch"
    start = ToolCallStarted(index=index, id=f"call_{index}", name=name, custom=kind == "custom")
    pieces = (piece for piece in (written[:cut], written[cut:]) if piece)
    return [start, *(ToolCallDelta(index=index, arguments=piece) for piece in pieces)]


def told(events):
    """What an answer comes to."""
    parts = []
    for event in events:
        gather(event, parts)
    usage, reason, model = (
        next((getattr(event, name) for event in reversed(events) if isinstance(event, kind)), None)
        for kind, name in ((UsageReported, "usage"), (Finished, "reason"), (Started, "model"))
    )
    # A whole answer tells sources after all of the text that they are in.
    citations = [event.citation for event in events if isinstance(event, Cited)]
    return [settled(part) for part in parts], usage, reason, model, citations


def gather(event, parts):
    if isinstance(event, TextDelta | RefusalDelta):
        kind = type(event).__name__
        if not parts or parts[-1][0] != kind:
            parts.append([kind, "", []])
        parts[-1][1] += event.text
        parts[-1][2] += getattr(event, "logprobs", ())
    elif isinstance(event, ReasoningDelta):
        if not parts or parts[-1][0] != "thought" or parts[-1][2] is not None:
            parts.append(["thought", "", None])
        parts[-1][1] += event.text
        parts[-1][2] = event.signature and json.loads(event.signature.data)["encrypted_content"]
    elif isinstance(event, ToolCallStarted):
        parts.append(["call", event.id, event.name, ""])
    elif isinstance(event, ToolCallDelta):
        parts[-1][3] += event.arguments
    elif isinstance(event, HostedToolUsed):
        parts.append(["hosted", event.use])


def settled(part):
    """A call's arguments: as an object, or the text in it."""
    if part[0] != "call":
        return part
    if part[2] == "f":
        return [*part[:3], json.loads(part[3])]
    try:
        return [*part[:3], json.loads(part[3])["input"]]
    except (ValueError, TypeError, KeyError):
        return part


@settings(max_examples=60, deadline=None)
@given(answers(OWN_SIGNATURE), st.booleans(), st.integers(1, 200))
def test_an_answer_written_and_read_again(events, whole, size):
    writer, reader = DIALECT.writer(whole, CHAT), DIALECT.reader(whole)
    data = b"".join([*(writer.write(event) for event in events), writer.close()])
    read = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    again, expected = told(read + reader.close()), told(events)
    assert again == expected
    usage = again[1]
    assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens
    summary = DIALECT.summarize(data, whole)
    assert (summary.usage, summary.finish_reason) == expected[1:3]


@settings(max_examples=60, deadline=None)
@given(answers(st.one_of(OWN_SIGNATURE, OTHER_SIGNATURE)), st.one_of(st.none(), OTHER_SIGNATURE))
def test_an_answer_sent_with_the_next_turn_keeps_what_its_vendor_wants_back(events, call_signature):
    events = [
        msgspec.structs.replace(event, signature=call_signature) if isinstance(event, ToolCallStarted) else event
        for event in events
    ]
    writer = DIALECT.writer(True, CHAT)
    data = b"".join([*(writer.write(event) for event in events), writer.close()])
    output = json.loads(data)["output"]
    hello = {"role": "user", "content": "Hello."}
    chat = DIALECT.read_request(Body(msgspec.json.encode({"model": "m", "input": [hello, *output, hello]})))
    assert chat.unplaced == ()
    said = [part for message in chat.messages if message.role == "assistant" for part in message.parts]
    signatures = [event.signature for event in events if isinstance(event, ReasoningDelta) and event.signature]
    thoughts = [part for part in said if isinstance(part, Reasoning)]
    assert [own(part.signature) for part in thoughts] == [own(signature) for signature in signatures]
    hidden = [event.redacted for event in events if isinstance(event, ReasoningDelta) and event.signature]
    assert [part.redacted for part in thoughts] == hidden
    calls = [event for event in events if isinstance(event, ToolCallStarted)]
    assert [(part.id, part.name, part.signature) for part in said if isinstance(part, ToolCall)] == [
        (call.id, call.name, call.signature) for call in calls
    ]
    uses = [event.use.id for event in events if isinstance(event, HostedToolUsed)]
    assert [part.id for part in said if isinstance(part, HostedToolUse)] == uses
    cited = [event.citation for event in events if isinstance(event, Cited)]
    assert [citation for part in said if isinstance(part, Text) for citation in part.citations] == cited


def own(signature):
    """Without the item's id, which is that of the answer it came in."""
    return json.loads(signature.data)["encrypted_content"] if signature.origin == "openai" else signature


# --- requests -------------------------------------------------------------------------------------------------------


USER_PART = st.one_of(
    st.builds(Text, text=TEXT),
    st.builds(Image, url=URL, detail=st.sampled_from(("low", "high", "auto"))),
    st.builds(Image, base64=st.just("iVBORw0KGgo="), media_type=st.just("image/png"), detail=st.just("auto")),
    st.builds(Image, file=st.builds(Opaque, origin=st.just("openai"), data=NAME), detail=st.just("auto")),
    st.builds(Document, url=URL),
    st.builds(Document, base64=st.just("JVBERi0x"), media_type=st.just("application/pdf"), name=NAME),
    st.builds(Document, text=TEXT, name=NAME),
    st.builds(Document, file=st.builds(Opaque, origin=st.just("openai"), data=NAME)),
)
CITATION = st.builds(lambda url, title: Citation(url=url, title=title, start=0, end=1), URL, TEXT)


@st.composite
def turns(draw, index):
    """A turn of the assistant, whose text comes in one piece between other things, and the results of its calls."""
    parts, results = [], []
    for at, kind in enumerate(draw(st.lists(st.sampled_from(("call", "custom", "thought", "hosted")), max_size=4))):
        call_id = f"call_{index}_{at}"
        if kind in ("call", "custom"):
            custom = kind == "custom"
            written = draw(TEXT if custom else ARGUMENTS)
            parts.append(ToolCall(id=call_id, name=draw(NAME), arguments=written, custom=custom))
            content = draw(st.lists(st.one_of(st.builds(Text, text=TEXT), USER_PART), max_size=2).map(tuple))
            results.append(ToolResult(call_id=call_id, parts=content or (Text(text=""),), custom=custom))
        elif kind == "thought":
            text = draw(st.text(max_size=8))
            parts.append(Reasoning(text=text, signature=draw(OWN_SIGNATURE), redacted=not text))
        else:
            parts.append(draw(searched(at)))
    said = [Text(text=draw(TEXT), citations=draw(st.lists(CITATION, max_size=2).map(tuple)))]
    if draw(st.booleans()):
        said.append(Refusal(text=draw(TEXT)))
    message = Message(role="assistant", parts=(*parts, *said))
    return [message, *(Message(role="tool", parts=(result,)) for result in results)]


@st.composite
def conversations(draw):
    messages = []
    for index in range(draw(st.integers(1, 3))):
        role = draw(st.sampled_from(("system", "developer", "user")))
        parts = USER_PART if role == "user" else st.builds(Text, text=TEXT)
        messages.append(Message(role=role, parts=tuple(draw(st.lists(parts, min_size=1, max_size=3)))))
        messages += draw(turns(index))
    return tuple(messages)


SCHEMA = st.dictionaries(NAME, st.recursive(st.one_of(st.none(), st.booleans(), COUNT, TEXT), st.lists, max_leaves=4))
FUNCTION = st.builds(
    Tool,
    name=NAME.map("f_{}".format),
    description=st.one_of(st.none(), TEXT),
    parameters=SCHEMA.map(lambda more: {"type": "object", "additionalProperties": False, **more}),
    strict=st.booleans(),
)
CUSTOM_TOOL = st.builds(
    CustomTool,
    name=NAME.map("c_{}".format),
    description=st.one_of(st.none(), TEXT),
    grammar=st.one_of(st.none(), st.builds(Grammar, syntax=st.sampled_from(("lark", "regex")), definition=TEXT)),
)
SEARCH = st.builds(
    WebSearch,
    max_uses=st.one_of(st.none(), st.integers(1, 9)),
    allowed_domains=st.lists(NAME, max_size=2).map(tuple),
    location=st.one_of(st.none(), st.fixed_dictionaries({"city": NAME, "country": st.just("NO")})),
    context_size=st.sampled_from((None, "low", "medium", "high")),
)
SHELL = VendorTool(type="local_shell", definition=Opaque(origin="openai", data='{"type":"local_shell"}'))


@st.composite
def toolboxes(draw):
    tools = [*draw(st.lists(st.one_of(FUNCTION, CUSTOM_TOOL), max_size=3, unique_by=lambda tool: tool.name))]
    hosted = draw(st.one_of(st.none(), SEARCH, st.just(SHELL)))
    tools += [hosted] if hosted is not None else []
    if not tools:
        return {}
    names = [getattr(tool, "name", None) or ("local_shell" if tool is SHELL else "web_search") for tool in tools]
    choice = draw(
        st.one_of(
            st.none(),
            st.sampled_from(("auto", "required", "none")).map(lambda mode: ToolChoice(mode=mode)),
            st.sampled_from(names).map(lambda name: ToolChoice(mode="named", name=name)),
            st.just(ToolChoice(mode="auto", allowed=tuple(names))),
        )
    )
    return {
        "tools": tuple(tools),
        "tool_choice": choice,
        "parallel_tool_calls": draw(st.sampled_from((None, True, False))),
    }


def maybe(strategy):
    return st.one_of(st.none(), strategy)


CHATS = st.builds(
    lambda tools, logprobs, **fields: Chat(model="m", keep_reasoning=True, **tools, **logprobs, **fields),
    tools=toolboxes(),
    logprobs=st.sampled_from(({}, {"logprobs": True}, {"logprobs": True, "top_logprobs": 3})),
    messages=conversations(),
    max_tokens=maybe(st.integers(16, 99999)),
    temperature=maybe(st.floats(0, 2)),
    top_p=maybe(st.floats(0, 1)),
    answer_format=maybe(
        st.one_of(
            st.just(AnswerFormat()),
            st.builds(AnswerFormat, name=NAME, schema=SCHEMA, strict=st.booleans(), description=maybe(TEXT)),
        )
    ),
    verbosity=st.sampled_from((None, "low", "medium", "high")),
    effort=st.sampled_from((None, "none", "minimal", "low", "medium", "high", "xhigh")),
    summary=st.sampled_from((None, "auto", "concise", "detailed")),
    cache_key=maybe(NAME),
    cache_retention=st.sampled_from((None, "in_memory", "24h")),
    service_tier=st.sampled_from((None, "default", "flex", "priority")),
    metadata=maybe(st.dictionaries(NAME, TEXT, min_size=1, max_size=3)),
    user=maybe(NAME),
    stream=st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(CHATS)
def test_a_request_written_and_read_again(validate, chat):
    written = DIALECT.write_request(chat, Model(name="m"))
    assert written.notes == ()
    asked = json.loads(written.body)
    for item in asked["input"]:
        if item["type"] == "reasoning":  # some callers keep no ids, and OpenAI takes its thinking without
            item.setdefault("id", "rs_0")
    validate("CreateResponse", asked)
    assert merged(DIALECT.read_request(Body(written.body))) == merged(chat)


def merged(chat):
    """Texts that follow each other are one; a schema of nothing is the least schema."""
    messages = []
    for message in chat.messages:
        parts = []
        for part in message.parts:
            if parts and message.role == "assistant" and isinstance(part, Text) and isinstance(parts[-1], Text):
                parts[-1] = msgspec.structs.replace(parts[-1], text=parts[-1].text + part.text)
            else:
                parts.append(part)
        messages.append(msgspec.structs.replace(message, parts=tuple(parts)))
    return msgspec.structs.replace(chat, messages=tuple(messages))


# --- nonsense -------------------------------------------------------------------------------------------------------


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


def places(value, path=()):
    """Where there is something in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


def changed(value, path, junk):
    value = copy.deepcopy(value)
    inside = value
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = junk
    return value


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(REQUESTS), JUNK)
def test_nonsense_in_a_request_is_refused(data, request, junk):
    asked = changed(request, data.draw(st.sampled_from(sorted(places(request), key=repr))), junk)
    try:
        chat = DIALECT.read_request(Body(msgspec.json.encode(asked)))
        DIALECT.write_request(chat, Model(name="m"))
        writer = DIALECT.writer(True, chat)
        writer.write(Started(id="x", model="m"))
        writer.close()
    except GatewayError as error:
        assert error.status == 400 and error.message


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(STREAMS), JUNK, st.booleans())
def test_nonsense_in_a_stream_is_malformed(data, stream, junk, named):
    frames = [json.loads(block.partition(b"data: ")[2]) for block in stream.split(b"\n\n") if b"data: {" in block]
    at = data.draw(st.integers(0, len(frames) - 1))
    frames[at] = changed(frames[at], data.draw(st.sampled_from(sorted(places(frames[at]), key=repr))), junk)
    blocks = (
        (b"event: %b\n" % str(frame["type"]).split("\n")[0].split("\r")[0].encode() if named else b"")
        + b"data: %b\n\n" % msgspec.json.encode(frame)
        for frame in frames
    )
    reader, writer = DIALECT.reader(False), DIALECT.writer(False, CHAT)
    try:
        for event in reader.feed(b"".join(blocks)) + reader.close():
            writer.write(event)
        writer.close()
    except GatewayError as error:
        assert error.status >= 500
    response = frames[-1].get("response")
    whole = DIALECT.reader(True)
    whole.feed(msgspec.json.encode(response))
    try:
        whole.close()
    except GatewayError as error:
        assert error.status >= 500


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_crash_a_summary(data, whole):
    assert DIALECT.summarize(data, whole).usage is None
    assert not DIALECT.stream_ended(data)
