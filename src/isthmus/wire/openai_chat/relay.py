"""Requests and streams that are passed on in their own dialect: what is changed on the way out and taken out again
on the way back."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.wire.body import Body
from isthmus.wire.framing.sse import ServerSentEvents
from isthmus.wire.openai_chat.messages.thinking import sealed_in
from isthmus.wire.openai_chat.options import NEW_NAME, OPENAI_REASONING, Options
from isthmus.wire.openai_chat.request import OURS
from isthmus.wire.protocol import Relayed
from isthmus.wire.sealed import is_marked, without_sealed_ids

_USAGE = (b'"usage":{', b'"usage": {', b'"usage" : {')
# Where compatible servers and this gateway put thinking in their answers, which callers send again as they are.
_THINKING = ("reasoning_content", "reasoning", "reasoning_details")
_THINKING_NAMED = tuple(f'"{name}"'.encode() for name in _THINKING)
_THINKING_BEGINS = b'"reasoning'


def relay_request(body: Body, model: str, options: Options) -> Relayed:
    receipt = Receipt()
    if is_marked(body.data):
        body = _unsealed(body, options, receipt)
    if options.refuses_thinking and _names_thinking(body.data):
        body = _without_thinking(body, receipt)
    if "max_tokens" in body and NEW_NAME not in body and OPENAI_REASONING.search(model):
        # Callers that were made for other servers know no other name, and these models refuse it.
        body = Body(body.changed({"max_tokens": None, NEW_NAME: bytes(body.fields["max_tokens"])}))
        receipt.emulated("max_tokens", f"this model takes it as {NEW_NAME}")
    changed, hide = addressed(body, model, asks_usage=options.asks_usage)
    return Relayed(body=changed, filter=hide, notes=receipt.notes())


def addressed(body: Body, model: str, *, asks_usage: bool = True) -> tuple[bytes, HideUsage | None]:
    """The same body for `model`, without the fields that are ours, and a stream asked for usage: then with the filter
    that hides it from a caller who did not ask."""
    fields = body.fields
    changes: dict[str, bytes | None] = {}
    for ours in OURS:
        if ours in fields:
            changes[ours] = None
    name = msgspec.json.encode(model)
    if "model" not in fields or bytes(fields["model"]) != name:
        changes["model"] = name
    asked = _asking_usage(body) if asks_usage else None
    if asked is not None:
        changes["stream_options"] = asked
    elif not asks_usage and "stream_options" in fields:
        changes["stream_options"] = None
    changed = body.changed(changes) if changes else body.data
    return changed, None if asked is None else HideUsage()


def _names_thinking(data: bytes) -> bool:
    """One look instead of three in most bodies: 1 µs less for each kilobyte."""
    return _THINKING_BEGINS in data and any(name in data for name in _THINKING_NAMED)


def _without_thinking(body: Body, receipt: Receipt) -> Body:
    """Thinking that nobody signed, from a server that shows it: OpenAI refuses fields that it does not know."""
    messages = body.value("messages")
    if not isinstance(messages, list):
        return body
    changed = []
    for message in messages:
        held = [name for name in _THINKING if name in message] if isinstance(message, dict) else []
        for name in held:
            receipt.lost(f"messages.{name}", "this provider takes no thinking back")
        changed.append({name: message[name] for name in message if name not in held} if held else message)
    return body if changed == messages else Body(body.changed({"messages": msgspec.json.encode(changed)}))


def _unsealed(body: Body, options: Options, receipt: Receipt) -> Body:
    """What this gateway sealed is of no use here: calls get their ids back, thinking that others signed is left out."""
    messages = body.value("messages")
    changed = [_without_sealed(message, options) for message in messages] if isinstance(messages, list) else messages
    if changed == messages:
        return Body(without_sealed_ids(body.data))
    receipt.lost("messages.reasoning_details", "it was signed by another provider")
    return Body(without_sealed_ids(body.changed({"messages": msgspec.json.encode(changed)})))


def _without_sealed(message: Any, options: Options) -> Any:
    details = message.get("reasoning_details") if isinstance(message, dict) else None
    if not isinstance(details, list):
        return message
    kept = [item for item in details if sealed_in(item) is None]
    if len(kept) == len(details):
        return message
    # Its words stay where the server wants them back: some refuse a turn of tool calls without.
    left = {"reasoning_details"} | ({"reasoning_content"} - {options.thinking_field})
    others = {name: value for name, value in message.items() if name not in left}
    return others | {"reasoning_details": kept} if kept else others


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
        at = _usage_at(chunk, 0)
        if at < 0:
            return chunk
        blank = b"\r\n\r\n" if b"\r\n\r\n" in chunk else b"\n\n"
        kept, start = [], 0
        while at >= 0:
            before, after = chunk.rfind(blank, start, at), chunk.find(blank, at)
            begin = start if before < 0 else before + len(blank)
            end = len(chunk) if after < 0 else after + len(blank)
            kept.append(chunk[start:begin])
            if _is_usage_only(chunk[begin:end]):
                self.taken += chunk[begin:end]
            else:
                kept.append(chunk[begin:end])
            start = end
            at = _usage_at(chunk, start)
        kept.append(chunk[start:])
        return b"".join(kept)

    def close(self) -> bytes:
        return b""


def _usage_at(chunk: bytes, start: int) -> int:
    """Where an object named usage stands, -1 where none does. Literals: a pattern costs 10 µs where these cost 0.5."""
    for spelling in _USAGE:  # one provider spells it one way
        at = chunk.find(spelling, start)
        if at >= 0:
            return at
    return -1


def _is_usage_only(block: bytes) -> bool:
    frames = ServerSentEvents()
    pairs = frames.feed(block) + frames.close()
    try:
        answer = msgspec.json.decode(pairs[0][1]) if len(pairs) == 1 else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(answer, dict) and answer.get("choices") == [] and answer.get("usage") is not None
