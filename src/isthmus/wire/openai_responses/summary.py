"""What a log row wants to know of a relayed response, found in its last event, which repeats all of it; and where a
relayed stream is complete."""

from __future__ import annotations

import msgspec

from isthmus.core.event import Summary
from isthmus.wire.openai_responses import schema
from isthmus.wire.openai_responses.answer import finish_reason, incomplete_reason, read_usage

# How many events from the end are looked at: after the last there may be [DONE], before it an error.
LAST_EVENTS = 4

_TERMINAL = (b"response.completed", b"response.incomplete", b"response.failed", b"response.cancelled")
_KINDS = frozenset(kind.decode() for kind in _TERMINAL)


class _Response(schema.ResponseHead, frozen=True):
    output: tuple[schema.Kind, ...] | None = None


class _Event(msgspec.Struct, frozen=True):
    """The decoder passes over the rest, which takes it 0.7 µs a kB. Looking for the last `"usage"` instead would be
    wrong where a tool's schema has a property of that name: the order of the fields is nobody's promise."""

    type: str = ""
    response: _Response | None = None


_decode_response = msgspec.json.Decoder(_Response).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_kind = msgspec.json.Decoder(schema.Kind).decode


def summarize(answer: bytes, whole: bool) -> Summary:
    if not whole:
        return _of_stream(answer)
    try:
        response = _decode_response(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Summary()
    return _of_response(response, failed=response.status == "failed" or bool(response.error))


def stream_ended(events: bytes) -> bool:
    return any(
        kind in event and _kind(_data(event)) in _KINDS
        for kind in _TERMINAL
        if kind in events
        for event in events.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]
    )


def _of_stream(answer: bytes) -> Summary:
    failed = False
    for line in _last_lines(answer):
        if not any(kind in line for kind in (*_TERMINAL, b'"error"')):
            continue
        event = _event(line)
        failed = failed or event.type == "error"
        if event.type in _KINDS and event.response is not None:
            return _of_response(event.response, failed=failed or event.type == "response.failed")
    # Cut short: the first event knows the model.
    first = _event(_data(answer.partition(b"\n\n")[0])).response
    return Summary(model=first.model if first is not None else None, failed=failed)


def _of_response(response: _Response, *, failed: bool) -> Summary:
    reason = None
    if response.status in ("completed", "incomplete"):
        called = any(item.type == "function_call" for item in response.output or ())
        reason = finish_reason(response.status, incomplete_reason(response), called)
    return Summary(
        model=response.model,
        usage=None if response.usage is None else read_usage(response.usage),
        finish_reason=reason,
        failed=failed,
    )


def _data(event: bytes) -> bytes:
    at = 0 if event.startswith(b"data:") else event.find(b"\ndata:") + 1
    return event[at:].partition(b"\n")[0].removeprefix(b"data:").strip()


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


def _event(line: bytes) -> _Event:
    try:
        return _decode_event(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Event()


def _kind(line: bytes) -> str:
    try:
        return _decode_kind(line).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
