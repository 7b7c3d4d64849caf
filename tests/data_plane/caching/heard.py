"""What an answer says, in nobody's dialect: as the readers of `wire/` decode it."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from isthmus.core.chat.event import (
    Cited,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.usage import Usage
from isthmus.wire.registry import DIALECTS


class Heard(msgspec.Struct, kw_only=True):
    """By choice, what is one's; calls as name, id and arguments."""

    text: dict[int, str] = {}
    refusal: str = ""
    reasoning: str = ""
    signatures: list[Any] = []
    calls: dict[int, list[Any]] = {}
    citations: list[Any] = []
    logprobs: list[Any] = []
    finish: dict[int, str] = {}
    usage: Usage | None = None


def heard(dialect: str, answer: httpx.Response) -> Heard:
    """Of an answer that succeeded, whole or streamed as its content type says."""
    assert answer.status_code == 200, answer.text
    whole = answer.headers["content-type"].startswith("application/json")
    data = answer.content
    if whole and "success" in (body := answer.json()):  # the envelope of `/ai/run`
        assert body["success"] is True
        data = msgspec.json.encode(body["result"])
    return decoded(dialect, data, whole)


def decoded(dialect: str, data: bytes, whole: bool) -> Heard:
    reader = DIALECTS[dialect].reader(whole)
    found = Heard()
    for event in [*reader.feed(data), *reader.close()]:
        assert not isinstance(event, Failed), event.error.message
        if isinstance(event, TextDelta):
            found.text[event.choice] = found.text.get(event.choice, "") + event.text
            found.logprobs += event.logprobs
        elif isinstance(event, RefusalDelta):
            found.refusal += event.text
        elif isinstance(event, ReasoningDelta):
            found.reasoning += event.text
            found.signatures += [(event.signature, event.redacted)] if event.signature else []
        elif isinstance(event, ToolCallStarted):
            found.calls[event.index] = [event.name, event.id, ""]
        elif isinstance(event, ToolCallDelta):
            found.calls[event.index][2] += event.arguments
        elif isinstance(event, Cited):
            found.citations.append(event.citation)
        elif isinstance(event, UsageReported):
            found.usage = event.usage
        elif isinstance(event, Finished):
            found.finish[event.choice] = event.reason
    for call in found.calls.values():
        call[2] = msgspec.json.decode(call[2] or "{}")
    return found
