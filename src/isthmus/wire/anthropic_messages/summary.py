"""What a log row wants to know of a relayed answer, found at its two ends; and where a relayed stream is complete."""

from __future__ import annotations

import re

import msgspec

from isthmus.core.chat.event import FinishReason, Summary
from isthmus.core.chat.usage import Usage
from isthmus.wire.anthropic_messages import schema
from isthmus.wire.anthropic_messages.answer import UsageCount, finish_reason

# How many events from the end are looked at: the last but one tells usage, or else the last is an error.
LAST_EVENTS = 4

_STOPS = re.compile(rb'^data:[ \t]*(\{[^\r\n]*"message_stop"[^\r\n]*)', re.MULTILINE)

_decode_event = msgspec.json.Decoder(schema.StreamEvent).decode
_decode_kind = msgspec.json.Decoder(schema.Kind).decode
_decode_head = msgspec.json.Decoder(schema.MessageHead).decode


def summarize(answer: bytes, whole: bool) -> Summary:
    return _of_message(answer) if whole else _of_stream(answer)


def stream_ended(events: bytes) -> bool:
    return b"message_stop" in events and any(_is_stop(found.group(1)) for found in _STOPS.finditer(events))


def _is_stop(data: bytes) -> bool:
    try:
        return _decode_kind(data).type == "message_stop"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _of_message(answer: bytes) -> Summary:
    try:
        head = _decode_head(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Summary()
    return Summary(
        model=head.model,
        usage=None if head.usage is None else UsageCount().update(head.usage),
        finish_reason=finish_reason(head.stop_reason) if head.stop_reason else None,
        failed=head.type == "error",
    )


def _of_stream(answer: bytes) -> Summary:
    count = UsageCount()
    model: str | None = None
    usage: Usage | None = None
    reason: FinishReason | None = None
    failed = False
    first = _event(_first_line(answer))
    if first.type == "message_start" and first.message is not None:
        model = first.message.model
        usage = None if first.message.usage is None else count.update(first.message.usage)
    for line in reversed(_last_lines(answer)):
        if b'"message_delta"' not in line and b'"error"' not in line:
            continue
        event = _event(line)
        failed = failed or event.type == "error"
        if event.type != "message_delta":
            continue
        usage = usage if event.usage is None else count.update(event.usage)
        if event.delta is not None and event.delta.stop_reason:
            reason = finish_reason(event.delta.stop_reason)
    return Summary(model=model, usage=usage, finish_reason=reason, failed=failed)


def _first_line(answer: bytes) -> bytes:
    """The data of the first event: pings and comments may come before it."""
    at = answer.find(b'"message_start"')
    start = answer.rfind(b"\n", 0, at) + 1 if at >= 0 else 0
    line = answer[start : answer.find(b"\n", start) if at >= 0 else 0]
    return line.removeprefix(b"data:").strip()


def _last_lines(answer: bytes) -> list[bytes]:
    """The data of the last events, the last first. No JSON holds a line break, so that a line's start is one."""
    lines: list[bytes] = []
    end = len(answer)
    while len(lines) < LAST_EVENTS and end >= 0:
        at = answer.rfind(b"\ndata:", 0, end)
        if at < 0 and not answer.startswith(b"data:"):
            break
        # At the very start no line break comes before it, and -1 is where one would be.
        lines.append(answer[at + 6 : end].lstrip().partition(b"\n")[0])
        end = at
    return lines


def _event(line: bytes) -> schema.StreamEvent:
    try:
        return _decode_event(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return schema.StreamEvent()
