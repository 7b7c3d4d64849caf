"""What an answer comes to, apart from its form and the pieces that it came in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from isthmus.core.chat.event import (
    Cited,
    Event,
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.usage import Usage
from isthmus.wire.sealed import unseal_id

Answer = dict[str, Any]
# `words` are text and refusal in the order that they were said in.
KINDS = ("text", "refusal", "words", "thought", "signatures", "sources", "searches", "likely", "calls", "finished")
SPOKEN: dict[type[Any], tuple[str, ...]] = {
    TextDelta: ("text", "words"),
    RefusalDelta: ("refusal", "words"),
    ReasoningDelta: ("thought",),
}


def answered(events: Iterable[Event]) -> Answer:
    """By kind, and within it by choice; and that the events came in an order that their documentation allows."""
    found: Answer = {kind: {} for kind in KINDS}
    calls: list[list[Any]] = []
    for place, event in enumerate(events):
        assert isinstance(event, Started) is (place == 0)
        assert not isinstance(event, Failed)
        if not isinstance(event, UsageReported | ToolCallDelta):
            assert getattr(event, "choice", 0) not in found["finished"], "nothing follows a choice's end but usage"
        match event:
            case Started():
                assert event.id
                found |= {"model": event.model, "usage": event.usage or Usage()}
            case UsageReported():
                check_usage(event.usage)
                found["usage"] = event.usage
            case Finished():
                found["finished"][event.choice] = event.reason
            case ToolCallStarted():
                assert event.index == len(calls) and event.id
                calls.append([event.choice, unseal_id(event.id)[0], event.name, event.custom, ""])
            case ToolCallDelta():
                calls[event.index][-1] += event.arguments
            case _:
                _say(found, event)
    for choice, id_, name, custom, text in calls:
        arguments = text if custom else json.loads(text or "{}")
        _under(found["calls"], choice).append((id_, name, custom, arguments))
    return found


def _say(found: Answer, event: Any) -> None:
    choice = event.choice
    for kind in SPOKEN.get(type(event), ()):
        if event.text:
            found[kind][choice] = found[kind].get(choice, "") + event.text
    match event:
        case TextDelta():
            if event.logprobs:
                _under(found["likely"], choice).extend((each.token, each.logprob) for each in event.logprobs)
        case ReasoningDelta():
            if event.signature is not None:
                _under(found["signatures"], choice).append((event.signature, event.redacted))
        case Cited():
            _under(found["sources"], choice).append(event.citation)
        case HostedToolUsed():
            _under(found["searches"], choice).append(event.use.tool)


def _under(by_choice: dict[int, list[Any]], choice: int) -> list[Any]:
    return by_choice.setdefault(choice, [])


def check_usage(usage: Usage) -> None:
    """Token classes add up: each is a part of its whole."""
    assert all(getattr(usage, name) >= 0 for name in Usage.__struct_fields__ if name != "service_tier")
    assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens
    assert usage.input_audio_tokens <= usage.input_tokens
    assert usage.cache_write_1h_tokens <= usage.cache_write_tokens
    assert usage.reasoning_tokens + usage.output_audio_tokens <= usage.output_tokens
