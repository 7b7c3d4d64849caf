"""What is done with requests and answers that are passed on in their own dialect: what we sealed is opened or left out,
and a log row is told what an answer's last event, which repeats all of it, says."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from isthmus.core.chat.event import Summary
from isthmus.core.chat.fidelity import Receipt
from isthmus.wire.body import Body
from isthmus.wire.openai_responses import schema
from isthmus.wire.openai_responses.answer import CALLS, finished, incomplete_reason, read_usage
from isthmus.wire.openai_responses.state.compaction import opened, summary_item
from isthmus.wire.protocol import Relayed
from isthmus.wire.sealed import MARK, is_marked, without_sealed_ids

# Ours in a body, and nobody else's: `gateway` and `options` of data-plane 4.2.
_OURS = ("gateway", "options")

# How many events from the end are looked at: after the last there may be [DONE], before it an error.
LAST_EVENTS = 4

_TERMINAL = (b"response.completed", b"response.incomplete", b"response.failed", b"response.cancelled")
_KINDS = frozenset(kind.decode() for kind in _TERMINAL)


# --- requests -------------------------------------------------------------------------------------------------------


class _Sealed(msgspec.Struct, frozen=True):
    type: str | None = None
    id: str | None = None
    encrypted_content: str | None = None


_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_sealed = msgspec.json.Decoder(_Sealed).decode


def relay_request(body: Body, model: str) -> Relayed:
    changes: dict[str, bytes | None] = {"model": msgspec.json.encode(model)}
    changes |= {name: None for name in _OURS if name in body}
    receipt = Receipt()
    if is_marked(body.data):
        kept = _without_sealed(body, receipt)
        if kept is not None:
            body = Body(body.changed({"input": kept}))
        body = Body(without_sealed_ids(body.data))
    return Relayed(body=body.changed(changes), notes=receipt.notes())


def _without_sealed(body: Body, receipt: Receipt) -> bytes | None:
    """The input without the items that another vendor made, with our summaries opened; None where there are neither,
    or where it is no array."""
    raw = body.fields.get("input")
    if raw is None or not is_marked(bytes(raw)):
        return None
    try:
        items = [bytes(item) for item in _decode_items(raw)]
    except (msgspec.DecodeError, RecursionError):
        return None
    kept = [
        item if (summary := opened(item)) is None else summary_item(summary)
        for item in items
        if not (is_marked(item) and _is_sealed(item, receipt))
    ]
    return None if kept == items else b"[%b]" % b",".join(kept)


def _is_sealed(item: bytes, receipt: Receipt) -> bool:
    """Thinking that bears our id and holds nothing that OpenAI could read would be looked for there, and not found."""
    try:
        held = _decode_sealed(item)
    except (msgspec.DecodeError, RecursionError):
        return False
    if held.type == "reasoning" and MARK in (held.encrypted_content or held.id or ""):
        receipt.lost("messages.reasoning", "another provider thought it")
        return True
    if held.type != "compaction" and MARK in (held.encrypted_content or ""):
        receipt.lost("messages.hosted_tool_use", "another provider ran it")
        return True
    return False


# --- answers --------------------------------------------------------------------------------------------------------


class _Action(msgspec.Struct, frozen=True):
    type: str = "search"


class _Item(schema.Kind, frozen=True):
    action: _Action | None = None


class _Response(schema.ResponseHead, frozen=True):
    output: tuple[_Item, ...] | None = None


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
    reason, output = None, response.output or ()
    if response.status in ("completed", "incomplete"):
        called = any(item.type in CALLS for item in output)
        reason = finished(response.status, incomplete_reason(response), called).reason
    return Summary(
        model=response.model,
        usage=None if response.usage is None else read_usage(response.usage, response.service_tier, _searches(output)),
        finish_reason=reason,
        failed=failed,
    )


def _searches(output: Iterable[_Item]) -> int:
    return sum(item.type == "web_search_call" and (item.action or _Action()).type == "search" for item in output)


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
