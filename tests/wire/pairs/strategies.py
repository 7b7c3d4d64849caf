"""Whole conversations and whole answers in neutral words, as callers and providers may send them (hypothesis)."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import strategies as st

from fidelity.requests import PDF, PNG, SCHEMA, STRICT_SCHEMA, VENDOR_TOOLS, WAV
from isthmus.core.chat.event import (
    Cited,
    Event,
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
from isthmus.core.chat.request import (
    AnswerFormat,
    AnyTool,
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
    WebSearch,
)
from isthmus.core.chat.usage import Usage

# One of a kind stands for many: a run sees few examples of each pair, and what is rare is named.
ODD = (
    "",
    " ",
    "\n",
    "é",
    "日本語",
    "😀 \u2028",
    '"q" \\ \n\n',
    "<a>&amp;</a>",
    "\x00",
    "\x7f",
    "data: x\n\n",
    "long " * 600,
)
WORDS = st.sampled_from(ODD) | st.text(st.characters(codec="utf-8"), max_size=9)
SAID = WORDS.filter(lambda text: bool(text.strip()))
NAME = st.sampled_from(("weather", "clock", "g_1", "h-2", "X" * 64))
SIGNATURES = st.sampled_from(
    (
        Opaque(origin="anthropic", data="c2ln"),
        Opaque(origin="openai", data='{"id":"rs_1","encrypted_content":"ZW5j"}'),
        Opaque(origin="google", data="c2ln"),
    )
)
MARKS = st.sampled_from((None, None, None, CacheMark(), CacheMark(ttl="5m"), CacheMark(ttl="1h")))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(WORDS, JSON, max_size=2)


@st.composite
def argument_texts(draw: st.DrawFn) -> str:
    """A JSON object as a model may write it, or nothing at all."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(("", "{}", '{"at": 1e2 }', '{"n":' + "[" * 40 + "]" * 40 + "}")))
    return json.dumps(draw(OBJECTS), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from((None, 1))))


# --- what is asked --------------------------------------------------------------------------------------------------

IMAGES = st.sampled_from(
    (
        Image(url="https://example.org/a.png"),
        Image(base64=PNG, media_type="image/png"),
        Image(base64=PNG, media_type="image/png", detail="high"),
    )
)
DOCUMENTS = st.sampled_from(
    (
        Document(base64=PDF, media_type="application/pdf", name="a.pdf"),
        Document(base64=PDF, media_type="application/pdf", cite=True),
        Document(url="https://example.org/a.pdf", media_type="application/pdf"),
        Document(text="Bern is old.", media_type="text/plain", name="a.txt", context="From a book."),
    )
)
SOUNDS = st.just(Audio(base64=WAV, media_type="audio/wav"))
TEXTS = st.builds(Text, text=WORDS, cache=MARKS)
SOURCES = st.sampled_from(
    (
        Citation(url="https://example.org/bern", title="Bern", quote="the capital", start=0, end=4),
        Citation(title="a.txt", quote="Bern", document=0, location="char", first=0, last=4),
    )
)
SEARCHED = HostedToolUse(
    id="srvtoolu_1",
    tool="web_search",
    input='{"query":"Bern"}',
    results=(SearchResult(url="https://example.org/bern", title="Bern"),),
)
ANSWERED = st.one_of(
    st.builds(Text, text=WORDS, cache=MARKS),
    st.builds(Text, text=SAID, citations=st.tuples(SOURCES)),
    st.builds(Refusal, text=SAID),
    st.builds(Reasoning, text=SAID, signature=st.none() | SIGNATURES),
    st.just(Reasoning(text="", signature=Opaque(origin="anthropic", data="cmVk"), redacted=True)),
    st.just(SEARCHED),
)
CUSTOM = CustomTool(name="sh", description="A shell.", grammar=Grammar(syntax="regex", definition="^[a-z]+$"))


def seen() -> st.SearchStrategy[list[Part]]:
    """Words mostly; pictures, papers and sounds now and then."""
    said = st.lists(TEXTS, min_size=1, max_size=2)
    mixed = st.lists(st.one_of(TEXTS, IMAGES, DOCUMENTS, SOUNDS), min_size=1, max_size=3)
    return st.one_of(said, said, mixed)


@st.composite
def rounds(draw: st.DrawFn, number: int) -> list[Message]:
    """A user, an assistant, and the results of what it called, in any order."""
    user = Message(role="user", parts=tuple(draw(seen())), name=draw(st.sampled_from((None, None, "Ann"))))
    ids = draw(st.sampled_from(("call_{}_{}", "toolu_01{}{}", "odd id.{}:{}", "c" * 70 + "{}{}")))
    calls: list[Any] = []
    for place in range(draw(st.sampled_from((0, 0, 1, 2)))):
        custom = draw(st.integers(0, 5)) == 0
        calls.append(
            ToolCall(
                id=ids.format(number, place),
                name="sh" if custom else draw(NAME),
                arguments=draw(WORDS) if custom else draw(argument_texts()),
                custom=custom,
                signature=draw(st.sampled_from((None, None, Opaque(origin="google", data="c2ln")))),
            )
        )
    said = draw(st.lists(ANSWERED, max_size=2)) if calls else draw(st.lists(ANSWERED, min_size=1, max_size=2))
    results = []
    for call in draw(st.permutations(calls)):
        shown = draw(st.lists(st.one_of(TEXTS, TEXTS, IMAGES), max_size=2))
        failed = draw(st.integers(0, 3)) == 0
        result = ToolResult(call_id=call.id, parts=tuple(shown), is_error=failed, custom=call.custom)
        results.append(Message(role="tool", parts=(result,)))
    return [user, Message(role="assistant", parts=(*said, *calls)), *results]


TOOLS: st.SearchStrategy[AnyTool] = st.one_of(
    st.builds(
        Tool,
        name=NAME,
        description=st.none() | SAID,
        parameters=st.sampled_from(({"type": "object", "properties": {}}, SCHEMA, STRICT_SCHEMA)),
        strict=st.sampled_from((None, None, True, False)),
        cache=MARKS,
    ),
    st.builds(Tool, name=NAME, parameters=st.just(STRICT_SCHEMA)),
    st.just(CUSTOM),
    st.just(WebSearch()),
    st.just(WebSearch(max_uses=2, allowed_domains=("example.org",), location={"city": "Bern", "country": "CH"})),
    st.sampled_from(sorted(VENDOR_TOOLS.values(), key=str)),
)


@st.composite
def toolboxes(draw: st.DrawFn, called: bool) -> dict[str, Any]:
    tools = draw(st.lists(TOOLS, max_size=3, unique_by=lambda tool: getattr(tool, "name", None) or "web_search"))
    if called:
        have = {getattr(tool, "name", None) for tool in tools}
        tools += [Tool(name=name, parameters=STRICT_SCHEMA) for name in ("weather",) if name not in have]
    if not tools or draw(st.booleans()):
        return {"tools": tuple(tools)}
    names = tuple(tool.name for tool in tools if isinstance(tool, Tool))
    choices = [ToolChoice(mode="auto"), ToolChoice(mode="none"), ToolChoice(mode="required")]
    if names:
        choices += [ToolChoice(mode="named", name=names[0]), ToolChoice(mode="auto", allowed=names[:1])]
    parallel = draw(st.sampled_from((None, True, False)))
    return {"tools": tuple(tools), "tool_choice": draw(st.sampled_from(choices)), "parallel_tool_calls": parallel}


OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "max_tokens": st.sampled_from((16, 500, 32000)),
    "temperature": st.sampled_from((0.0, 0.5, 1.0, 1.5, 2.0)),
    "top_p": st.sampled_from((0.01, 0.5, 1.0)),
    "top_k": st.sampled_from((1, 40)),
    "stop": st.lists(SAID.map(lambda text: text[:20]), min_size=1, max_size=6, unique=True).map(tuple),
    "seed": st.sampled_from((0, 7, -1, 2**31)),
    "frequency_penalty": st.sampled_from((-0.5, 0.0, 0.5)),
    "presence_penalty": st.sampled_from((-0.5, 0.0, 0.5)),
    "logit_bias": st.just({"50256": -100}),
    "choices": st.sampled_from((1, 2)),
    "answer_format": st.sampled_from(
        (
            AnswerFormat(),
            AnswerFormat(name="place", schema=STRICT_SCHEMA, strict=True, description="A place."),
            AnswerFormat(name="place", schema=SCHEMA),
        )
    ),
    "verbosity": st.sampled_from(("low", "medium", "high")),
    "effort": st.sampled_from(("none", "low", "medium", "high")),
    "thinking_budget": st.sampled_from((0, 1024, 4096)),
    "summary": st.sampled_from(("none", "auto", "detailed")),
    "cache": MARKS,
    "cache_key": st.just("session-1"),
    "service_tier": st.sampled_from(("auto", "default", "flex", "priority")),
    "metadata": st.just({"team": "a"}),
    "user": st.just("user-1") | SAID,
    "stream": st.just(True),
}


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    """A conversation, and some wishes: few at a time, so that most targets can be asked for them."""
    messages: list[Message] = []
    if draw(st.booleans()):
        role: Any = draw(st.sampled_from(("system", "developer")))
        messages.append(Message(role=role, parts=tuple(draw(st.lists(TEXTS, min_size=1, max_size=2)))))
    for number in range(draw(st.sampled_from((0, 0, 1, 2)))):
        messages += draw(rounds(number))
        if draw(st.integers(0, 5)) == 0:
            messages.append(Message(role="system", parts=(Text(text="Now be brief."),)))
    messages.append(Message(role="user", parts=tuple(draw(seen()))))
    called = any(isinstance(part, ToolCall) for message in messages for part in message.parts)
    wished: dict[str, Any] = draw(toolboxes(called)) if called or draw(st.booleans()) else {}
    for name in draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=3, unique=True)):
        wished[name] = draw(OPTIONS[name])
    if "effort" in wished:
        wished.pop("thinking_budget", None)
    if draw(st.integers(0, 9)) == 0:
        wished |= {"logprobs": True, "top_logprobs": draw(st.sampled_from((0, 3)))}
    return Chat(model="author/model", messages=tuple(messages), **wished)


# --- what is answered -----------------------------------------------------------------------------------------------

STARTED = Started(id="chatcmpl-1", model="a-model", created=1764000000)
PIECES = WORDS.filter(bool)
COUNTS = st.integers(0, 10**6)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Every class of tokens, each a part of its whole."""
    read, written, heard = draw(COUNTS), draw(COUNTS), draw(COUNTS)
    output = draw(COUNTS)
    thought = draw(st.integers(0, output))
    return Usage(
        input_tokens=read + written + heard + draw(COUNTS) + 1,  # no call is without any
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=draw(st.integers(0, written)),
        input_audio_tokens=heard,
        reasoning_tokens=thought,
        web_searches=draw(st.integers(0, 3)),
    )


@st.composite
def spoken(draw: st.DrawFn, choice: int) -> list[Event]:
    """Words, thoughts, sources and searches."""
    kind = draw(st.sampled_from(("text", "text", "thought", "hidden", "refusal", "source", "search", "likely")))
    texts = draw(st.lists(PIECES, min_size=1, max_size=3))
    signature = draw(SIGNATURES)
    match kind:
        case "thought":
            ended = [ReasoningDelta(signature=signature, choice=choice)] if draw(st.booleans()) else []
            return [*(ReasoningDelta(text=text, choice=choice) for text in texts), *ended]
        case "hidden":
            hidden = Opaque(origin="anthropic", data="cmVk")
            return [ReasoningDelta(signature=hidden, redacted=True, choice=choice)]
        case "refusal":
            return [RefusalDelta(text=text, choice=choice) for text in texts]
        case "source":
            return [TextDelta(text="Bern", choice=choice), Cited(citation=draw(SOURCES), choice=choice)]
        case "search":
            return [HostedToolUsed(use=SEARCHED, choice=choice)]
        case "likely":
            likely = TokenLogprob(token="Yes", logprob=-0.25, top=(("Yes", -0.25), ("No", -1.5)))
            return [TextDelta(text="Yes", logprobs=(likely,), choice=choice)]
    return [TextDelta(text=text, choice=choice) for text in texts]


@st.composite
def called(draw: st.DrawFn, first: int, choice: int) -> list[Event]:
    """One call after another, or two side by side, their arguments in any pieces."""
    tracks: list[list[Event]] = []
    for index in range(first, first + draw(st.integers(1, 2))):
        custom = draw(st.integers(0, 5)) == 0
        text = draw(WORDS) if custom else draw(argument_texts())
        edges = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=3))})
        signature = draw(st.sampled_from((None, None, Opaque(origin="google", data="c2ln"))))
        name = "sh" if custom else draw(NAME)
        track: list[Event] = [
            ToolCallStarted(
                index=index, id=f"call_{index}", name=name, custom=custom, signature=signature, choice=choice
            )
        ]
        track += [ToolCallDelta(index=index, arguments=text[a:b]) for a, b in itertools.pairwise(edges)]
        tracks.append(track)
    if draw(st.booleans()):
        return list(itertools.chain.from_iterable(tracks))
    heads = [track[0] for track in tracks]
    turns = itertools.zip_longest(*(track[1:] for track in tracks))
    return heads + [event for turn in turns for event in turn if event is not None]


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """One answer of one choice, now and then of two, with usage before or after the end."""
    events: list[Event] = [STARTED]
    ends: list[Event] = []
    calls = 0
    for choice in range(draw(st.sampled_from((1, 1, 1, 2)))):
        for _ in range(draw(st.integers(0, 3))):
            events += draw(spoken(choice))
        if draw(st.integers(0, 2)) == 0:
            made = draw(called(calls, choice))
            events += made
            calls += sum(isinstance(event, ToolCallStarted) for event in made)
            reason: Any = "tool_calls"
        else:
            reason = draw(st.sampled_from(("stop", "length", "content_filter", "refusal", "pause", "context_length")))
        ends.append(Finished(reason=reason, choice=choice))
    used: list[Event] = [UsageReported(usage=draw(usages()))]
    return events + (used + ends if draw(st.booleans()) else ends + used)
