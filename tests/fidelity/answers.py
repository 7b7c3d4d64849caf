"""What a provider can answer, feature by feature: the events, and how to find the feature in them again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from isthmus.core.chat.event import (
    Cited,
    Event,
    Finished,
    FinishReason,
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
    Chat,
    Citation,
    CustomTool,
    HostedToolUse,
    Message,
    Opaque,
    Reasoning,
    SearchResult,
    Text,
    Tool,
    ToolCall,
    WebSearch,
)
from isthmus.core.chat.usage import Usage

STARTED = Started(id="chatcmpl-1", model="a-model", created=1764000000)
USED = UsageReported(usage=Usage(input_tokens=20, output_tokens=7))
DONE = (Finished(reason="stop"), USED)
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
TOOLS = (
    Tool(name="weather", parameters=SCHEMA),
    Tool(name="clock", parameters={"type": "object", "properties": {}}),
)

Find = Callable[[Sequence[Event]], Any]


@dataclass(frozen=True)
class Feature:
    """`asked` are the fields of the request that wants it. `origin`: only that vendor's answers have it. `again` finds
    it in the caller's next request, who sends the answer back as it came."""

    name: str
    events: tuple[Event, ...]
    find: Find
    asked: dict[str, Any] = field(default_factory=dict)
    origin: str | None = None
    again: Callable[[Chat], Any] | None = None

    def chat(self, stream: bool) -> Chat:
        hello = Message(role="user", parts=(Text(text="Hello"),))
        return Chat(model="author/model", messages=(hello,), stream=stream, max_tokens=32000, **self.asked)


def of(kind: type[Any], events: Sequence[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def text(events: Sequence[Event]) -> Any:
    return "".join(event.text for event in of(TextDelta, events)) or None


def by_choice(events: Sequence[Event]) -> Any:
    told: dict[int, str] = {}
    for event in of(TextDelta, events):
        told[event.choice] = told.get(event.choice, "") + event.text
    return told if len(told) > 1 else None


def refusal(events: Sequence[Event]) -> Any:
    return "".join(event.text for event in of(RefusalDelta, events)) or None


def reasoning(events: Sequence[Event]) -> Any:
    return "".join(event.text for event in of(ReasoningDelta, events)) or None


def signatures(events: Sequence[Event]) -> Any:
    return [(event.signature, event.redacted) for event in of(ReasoningDelta, events) if event.signature] or None


def calls(events: Sequence[Event]) -> Any:
    made: dict[int, list[Any]] = {}
    for event in events:
        if isinstance(event, ToolCallStarted):
            made[event.index] = [event.name, event.custom, ""]
        elif isinstance(event, ToolCallDelta):
            made[event.index][2] += event.arguments
    return [(name, text if free else json.loads(text or "{}")) for name, free, text in made.values()] or None


def signed_again(chat: Chat) -> Any:
    found = (part for message in chat.messages for part in message.parts if isinstance(part, Reasoning | ToolCall))
    return [part.signature for part in found if part.signature] or None


def call_signature(events: Sequence[Event]) -> Any:
    return next((event.signature for event in of(ToolCallStarted, events) if event.signature), None)


def citation(events: Sequence[Event]) -> Any:
    return next(((event.citation.url, event.citation.title) for event in of(Cited, events)), None)


def search(events: Sequence[Event]) -> Any:
    return next((event.use.tool for event in of(HostedToolUsed, events)), None)


def logprobs(events: Sequence[Event]) -> Any:
    return [(each.token, each.logprob) for event in of(TextDelta, events) for each in event.logprobs] or None


def usage(*names: str) -> Find:
    def find(events: Sequence[Event]) -> Any:
        told = of(UsageReported, events)
        return [getattr(told[-1].usage, name) for name in names] if told else None

    return find


def tier(events: Sequence[Event]) -> Any:
    return next((event.usage.service_tier for event in of(UsageReported, events) if event.usage.service_tier), None)


def reason(events: Sequence[Event]) -> Any:
    return next((event.reason for event in of(Finished, events)), None)


def ends(why: FinishReason) -> Feature:
    call = (
        (ToolCallStarted(index=0, id="call_1", name="weather"), ToolCallDelta(index=0, arguments="{}"))
        if why == "tool_calls"
        else ()
    )
    said = (STARTED, TextDelta(text="So"), *call, Finished(reason=why), USED)
    return Feature(f"finish reason: {why}", said, reason, {"tools": TOOLS})


def used(name: str, label: str, **counts: Any) -> Feature:
    counted = Usage(input_tokens=50, output_tokens=30, **counts)
    said = (STARTED, TextDelta(text="So"), Finished(reason="stop"), UsageReported(usage=counted))
    return Feature(label, said, usage("input_tokens", "output_tokens", name))


TWO_CALLS = (
    STARTED,
    TextDelta(text="I look."),
    ToolCallStarted(index=0, id="call_1", name="weather"),
    ToolCallDelta(index=0, arguments='{"at":'),
    ToolCallDelta(index=0, arguments='"Bern \\"x\\""}'),
    ToolCallStarted(index=1, id="call_2", name="clock"),
    ToolCallDelta(index=1, arguments="{}"),
    Finished(reason="tool_calls"),
    USED,
)
CUSTOM_CALL = (
    STARTED,
    ToolCallStarted(index=0, id="call_1", name="sh", custom=True),
    ToolCallDelta(index=0, arguments='ls "a'),
    ToolCallDelta(index=0, arguments=' b"\n'),
    Finished(reason="tool_calls"),
    USED,
)
SIGNED_CALL = (
    STARTED,
    ToolCallStarted(index=0, id="call_1", name="weather", signature=Opaque(origin="google", data="c2ln")),
    ToolCallDelta(index=0, arguments="{}"),
    Finished(reason="tool_calls"),
    USED,
)
SEARCHED = HostedToolUse(
    id="srvtoolu_1",
    tool="web_search",
    input='{"query":"Bern"}',
    results=(SearchResult(url="https://example.org/bern", title="Bern"),),
)
CITATION = Citation(url="https://example.org/bern", title="Bern", quote="the capital", start=0, end=4)
LIKELY = (TokenLogprob(token="Yes", logprob=-0.25, top=(("Yes", -0.25), ("No", -1.5))),)
THINKING: dict[str, Any] = {"effort": "high", "summary": "auto", "keep_reasoning": True}


def signed(origin: str, data: str, label: str) -> Feature:
    said = (
        STARTED,
        ReasoningDelta(text="Hm."),
        ReasoningDelta(signature=Opaque(origin=origin, data=data)),
        TextDelta(text="Yes."),
        *DONE,
    )
    return Feature(label, said, signatures, THINKING, origin, signed_again)


TIERED = Usage(input_tokens=50, output_tokens=1, service_tier="priority")
TIERED_DONE = (Finished(reason="stop"), UsageReported(usage=msgspec.structs.replace(TIERED, output_tokens=30)))

FEATURES: tuple[Feature, ...] = (
    Feature("text", (STARTED, TextDelta(text="Hel"), TextDelta(text='lo 😀 \u2028 "q"\n\n'), *DONE), text),
    Feature("tool calls", TWO_CALLS, calls, {"tools": TOOLS}),
    Feature("custom tool calls", CUSTOM_CALL, calls, {"tools": (CustomTool(name="sh"),)}),
    Feature("refusal", (STARTED, RefusalDelta(text="I will not."), Finished(reason="refusal"), USED), refusal),
    Feature("thinking", (STARTED, ReasoningDelta(text="Hm."), TextDelta(text="Yes."), *DONE), reasoning, THINKING),
    signed("anthropic", "c2ln", "thinking signed by Anthropic"),
    signed("openai", '{"id":"rs_1","encrypted_content":"ZW5j"}', "thinking signed by OpenAI"),
    signed("google", "c2ln", "thinking signed by Google"),
    Feature(
        "redacted thinking",
        (
            STARTED,
            ReasoningDelta(signature=Opaque(origin="anthropic", data="cmVk"), redacted=True),
            TextDelta(text="Yes."),
            *DONE,
        ),
        signatures,
        THINKING,
        "anthropic",
        signed_again,
    ),
    Feature("thought signature of a call", SIGNED_CALL, call_signature, {"tools": TOOLS}, "google", signed_again),
    Feature("citation of a page", (STARTED, TextDelta(text="Bern"), Cited(citation=CITATION), *DONE), citation),
    Feature(
        "web search done",
        (STARTED, HostedToolUsed(use=SEARCHED), TextDelta(text="Bern"), *DONE),
        search,
        {"tools": (WebSearch(),)},
    ),
    Feature(
        "log probabilities",
        (STARTED, TextDelta(text="Yes", logprobs=LIKELY), *DONE),
        logprobs,
        {"logprobs": True, "top_logprobs": 2},
    ),
    Feature(
        "several answers (n)",
        (
            STARTED,
            TextDelta(text="Yes"),
            TextDelta(text="No", choice=1),
            Finished(reason="stop"),
            Finished(reason="stop", choice=1),
            USED,
        ),
        by_choice,
        {"choices": 2},
    ),
    *(ends(why) for why in ("stop", "length", "tool_calls", "content_filter", "refusal", "pause", "context_length")),
    used("cache_read_tokens", "usage: cached tokens", cache_read_tokens=12),
    used("cache_write_tokens", "usage: tokens written to the cache", cache_write_tokens=12),
    used("reasoning_tokens", "usage: reasoning tokens", reasoning_tokens=11),
    used("input_audio_tokens", "usage: audio tokens", input_audio_tokens=9),
    used("web_searches", "usage: web searches", web_searches=2),
    Feature("service tier", (Started(id="a", model="m", usage=TIERED), TextDelta(text="So"), *TIERED_DONE), tier),
)
