"""Requests and streams that are passed on in their own dialect: what is changed on the way out and taken out again
on the way back."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from isthmus.wire.body import Body
from isthmus.wire.framing.sse import ServerSentEvents
from isthmus.wire.openai_chat.request import OURS, Options
from isthmus.wire.protocol import Relayed

_USAGE = re.compile(rb'"usage"[ \t]*:[ \t]*\{')
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


def relay_request(body: Body, model: str, options: Options) -> Relayed:
    changes: dict[str, bytes | None] = {name: None for name in OURS if name in body}
    name = msgspec.json.encode(model)
    if "model" not in body or bytes(body.fields["model"]) != name:
        changes["model"] = name
    asked = _asking_usage(body) if options.asks_usage else None
    if asked is not None:
        changes["stream_options"] = asked
    changed = body.changed(changes) if changes else body.data
    return Relayed(body=changed, filter=None if asked is None else HideUsage())


def _asking_usage(body: Body) -> bytes | None:
    """The `stream_options` that ask for usage; None where the caller asked himself, or where there is no stream."""
    stream = body.fields.get("stream")
    if stream is None or bytes(stream) != b"true":
        return None
    given: Any = body.value("stream_options")
    if given is None:
        return b'{"include_usage":true}'
    if not isinstance(given, dict) or given.get("include_usage") is True:
        return None
    return msgspec.json.encode(given | {"include_usage": True})


def stream_ended(events: bytes) -> bool:
    end = events.rfind(b"[DONE]")
    if end < 0:
        return False
    start = events.rfind(b"data:", 0, end)
    alone = start >= 0 and not events[start + 5 : end].strip(b" ") and events[end + 6 : end + 7] in b"\r\n \t"
    return alone and (start == 0 or events[start - 1 : start] in b"\r\n")


class HideUsage:
    """Takes out the chunk that has usage and no choices; all else passes byte for byte."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = b""

    def feed(self, chunk: bytes) -> bytes:
        # Literals: the pattern costs 10 µs a chunk where these cost 0.5.
        if b'"usage":{' not in chunk and b'"usage": {' not in chunk and b'"usage" : {' not in chunk:
            return chunk
        kept, start = [], 0
        while start < len(chunk):
            match = _EVENT_END.search(chunk, start)
            end = match.end() if match else len(chunk)
            block = chunk[start:end]
            if _USAGE.search(block) is not None and _is_usage_only(block):
                self.taken += block
            else:
                kept.append(block)
            start = end
        return b"".join(kept)

    def close(self) -> bytes:
        return b""


def _is_usage_only(block: bytes) -> bool:
    frames = ServerSentEvents()
    pairs = frames.feed(block) + frames.close()
    try:
        answer = msgspec.json.decode(pairs[0][1]) if len(pairs) == 1 else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(answer, dict) and answer.get("choices") == [] and answer.get("usage") is not None
