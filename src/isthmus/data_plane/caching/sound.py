"""Whether an answer that was passed on unread is to be given again: what is broken or blocked is not given twice."""

from __future__ import annotations

import msgspec

from isthmus.core.call import Call
from isthmus.core.chat.event import Finished
from isthmus.data_plane.caching.flight import Head
from isthmus.errors import GatewayError
from isthmus.wire.body import Body
from isthmus.wire.framing.sse import DONE, ServerSentEvents
from isthmus.wire.registry import DIALECTS

KEPT_REASONS = (None, "stop", "length", "context_length", "tool_calls")
"""Of an end; None: of an answer that gives none, vectors say. What was refused may be answered another time."""

_JSON = "application/json"
_EVENTS = "text/event-stream"
_SEVERAL = (b'"n"', b'"candidateCount"')
"""By these callers ask for several answers. A call's own reason for its end is that of one of them."""

_DATA = b"data: "
_LAST_WORD = _DATA + DONE + b"\n\n"

_raw = msgspec.json.Decoder(msgspec.Raw)
_read_lines = _raw.decode_lines
_read_raw = _raw.decode
"""Reads all of it and makes nothing of it: a microsecond an event."""


def is_sound(call: Call, head: Head, data: bytes) -> bool:
    """Of a complete answer. Every event of a stream in a dialect of ours is JSON, but for the last word."""
    kind = head.content_type.partition(b";")[0].strip().lower().decode("latin-1")
    try:
        if kind == _JSON:
            _check(data)
        elif kind == _EVENTS and head.kind == "frames":
            _check_events(data)
        return bool(data) and not (_asks_for_several(call) and _is_blocked(head, data, kind == _JSON))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, GatewayError):
        return False


def _check(data: bytes) -> None:
    data.isascii() or data.decode()
    _read_raw(data)


def _check_events(data: bytes) -> None:
    if _are_plain(data):
        return
    events = ServerSentEvents()
    for _, each in [*events.feed(data), *events.close()]:
        if each != DONE:
            _check(each)


def _are_plain(data: bytes) -> bool:
    """Whether it is nothing but sound data, an event a line, as most streams are: found in half the time."""
    text = data.removesuffix(_LAST_WORD)
    if not (text.startswith(_DATA) and text.endswith(b"\n\n") and text.isascii()):
        return False
    try:
        _read_lines(b"\n".join(text[len(_DATA) :].split(b"\n\n" + _DATA)))  # faster than to replace it
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _asks_for_several(call: Call) -> bool:
    body = call.body
    return isinstance(body, Body) and any([name in body.data for name in _SEVERAL])


def _is_blocked(head: Head, data: bytes, whole: bool) -> bool:
    dialect = DIALECTS.get(head.dialect)
    if dialect is None:
        return False
    reader = dialect.reader(whole)
    events = [*reader.feed(data), *reader.close()]
    return any(isinstance(event, Finished) and event.reason not in KEPT_REASONS for event in events)
