"""Any answer from every provider's dialect into every caller's, streamed and whole, however it is cut: what the one
says and the other can hold comes out equal, token classes add up, and nothing raises."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fidelity.table import CALLERS, HAVE_CUSTOM
from isthmus.core.chat.event import Event, ToolCallStarted
from isthmus.core.chat.request import Chat, CustomTool, Message, Text, Tool, WebSearch
from isthmus.core.chat.usage import Usage
from isthmus.wire.registry import DIALECTS
from isthmus.wire.sealed import MARK
from wire.pairs.answered import Answer, answered
from wire.pairs.strategies import answers

PAIRS = list(itertools.product(CALLERS, DIALECTS))
TAKE_CHOICES = ("openai_chat", "gemini", "openai_completions")
ONE_CHOICE = ("openai_responses", "anthropic_messages", "bedrock_converse", "cohere_chat", "workers_ai")
# What a caller's dialect has no field for.
LACKS: dict[str, set[str]] = {
    "openai_chat": {"searches", "signatures"},
    "openai_responses": set(),
    "anthropic_messages": {"likely"},
    "gemini": set(),
    "workers_ai": {"model", "thought", "signatures", "sources", "searches", "likely"},
    "openai_completions": {"thought", "signatures", "sources", "searches", "calls"},
}
UNCOUNTED: dict[str, set[str]] = {
    "openai_chat": {"cache_write_1h_tokens", "web_searches"},
    "openai_responses": {"cache_write_1h_tokens", "web_searches", "input_audio_tokens"},
    "anthropic_messages": {"input_audio_tokens"},
    "gemini": {"cache_write_tokens", "cache_write_1h_tokens", "web_searches"},
    "workers_ai": {"cache_write_tokens", "cache_write_1h_tokens", "web_searches", "input_audio_tokens"},
    "openai_completions": {"cache_write_1h_tokens", "web_searches"},
}
# Told at the end of a stream there is no field for it.
UNCOUNTED_IN_STREAMS: dict[str, set[str]] = {"anthropic_messages": {"cache_write_1h_tokens"}}
NO_REFUSAL = ("anthropic_messages", "gemini", "workers_ai", "openai_completions")
# The nearest reason that a caller's dialect has.
REASONS: dict[str, dict[str, str]] = {
    "openai_chat": {"refusal": "content_filter", "pause": "stop", "context_length": "length"},
    "openai_responses": {"refusal": "content_filter", "pause": "stop", "context_length": "length"},
    "anthropic_messages": {"content_filter": "refusal"},
    "gemini": {"refusal": "content_filter", "pause": "error", "context_length": "length"},
    "workers_ai": {"refusal": "content_filter", "pause": "stop", "context_length": "length"},
    "openai_completions": {
        "refusal": "content_filter",
        "pause": "stop",
        "context_length": "length",
        "tool_calls": "stop",
    },
}


def asked(caller: str, whole: bool) -> Chat:
    tools: Any = (Tool(name="weather"), WebSearch())
    return Chat(
        model="author/model",
        messages=(Message(role="user", parts=(Text(text="Hello"),)),),
        tools=(*tools, CustomTool(name="sh")) if caller in HAVE_CUSTOM else tools,
        max_tokens=32000,
        logprobs=True,
        top_logprobs=2,
        summary="auto",
        keep_reasoning=True,
        choices=2 if caller in TAKE_CHOICES else 1,
        stream=not whole,
    )


def written(name: str, events: Iterable[Event], chat: Chat) -> bytes:
    writer = DIALECTS[name].writer(not chat.stream, chat)
    return b"".join([*[writer.write(event) for event in events], writer.close()])


def read(name: str, pieces: Sequence[bytes], whole: bool) -> list[Event]:
    reader = DIALECTS[name].reader(whole)
    return [*itertools.chain.from_iterable(reader.feed(piece) for piece in pieces), *reader.close()]


def can_come(caller: str, target: str, events: Sequence[Event]) -> bool:
    """Whether such an answer comes to such a caller: one who cannot ask for it does not get it."""
    choices = {getattr(event, "choice", 0) for event in events}
    if len(choices) > 1 and not (caller in TAKE_CHOICES and target not in ONE_CHOICE):
        return False
    customs = any(isinstance(event, ToolCallStarted) and event.custom for event in events)
    return not customs or (caller in HAVE_CUSTOM and target != "workers_ai")


def said(caller: str, answer: Answer, *, whole: bool) -> Answer:
    """What the caller gets of it, in his dialect's words."""
    told = {name: value for name, value in answer.items() if name not in LACKS[caller]}
    reasons = REASONS[caller]
    told["finished"] = {choice: reasons.get(reason, reason) for choice, reason in answer["finished"].items()}
    uncounted = UNCOUNTED[caller] | (set() if whole else UNCOUNTED_IN_STREAMS.get(caller, set()))
    told["usage"] = counted(answer["usage"], uncounted)
    told["words"] = {}
    if caller in NO_REFUSAL:
        told |= {"text": answer["words"], "refusal": {}}
    if caller in HAVE_CUSTOM:
        told["calls"] = {choice: [custom_again(*call) for call in calls] for choice, calls in answer["calls"].items()}
    if "signatures" in told:
        own = DIALECTS[caller].origin
        made = {
            c: [each for each in signed if each[0].origin == own and MARK not in each[0].data]
            for c, signed in answer["signatures"].items()
        }
        told["signatures"] = {choice: signed for choice, signed in made.items() if signed}
    if "sources" in told:
        pages = {c: {cited.url for cited in sources if cited.url} for c, sources in answer["sources"].items()}
        told["sources"] = {choice: urls for choice, urls in pages.items() if urls}
    if caller == "gemini":  # one search is told of, whatever it took; pages are told as what it found
        told["searches"] = {choice: ["web_search"] for choice in told["searches"] | told["sources"]}
    return told


def counted(usage: Usage, uncounted: set[str]) -> Usage:
    return msgspec.structs.replace(usage, service_tier=None, **dict.fromkeys(uncounted, 0))


def custom_again(id_: str, name: str, custom: bool, arguments: Any) -> Any:
    """A custom tool that was offered as a function is a custom one again to who asked for it."""
    if name == "sh" and not custom and set(arguments) == {"input"}:
        return id_, name, True, arguments["input"]
    return id_, name, custom, arguments


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize(("caller", "target"), PAIRS)
@settings(max_examples=20, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(events=answers(), size=st.integers(1, 60))
def test_what_one_says_and_the_other_holds_comes_out(
    caller: str, target: str, whole: bool, events: list[Event], size: int
) -> None:
    if not can_come(caller, target, events):
        return
    sent = written(target, events, asked("openai_chat", whole))
    came = read(target, [sent], whole)
    told = answered(came)
    assert answered(read(target, cut(sent, size), whole)) == told
    if "error" in told["finished"].values():
        return
    given_to_caller = written(caller, came, asked(caller, whole))
    again = answered(read(caller, [given_to_caller], whole))
    assert answered(read(caller, cut(given_to_caller, size), whole)) == again
    wanted, found = said(caller, told, whole=whole), said(caller, again, whole=whole)
    if DIALECTS[target].origin != DIALECTS[caller].origin:
        # Another vendor's come sealed, and are opened with the next turn (tests/fidelity).
        wanted["signatures"] = found["signatures"] = {}
    assert found == wanted


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[place : place + size] for place in range(0, len(data), size)]
