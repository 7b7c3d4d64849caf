"""What a log row wants to know of a relayed answer; and where a relayed stream is complete."""

from __future__ import annotations

import msgspec

from isthmus.core.chat.event import FinishReason, Summary
from isthmus.core.chat.usage import Usage
from isthmus.errors import Malformed
from isthmus.wire.bedrock_converse import schema
from isthmus.wire.bedrock_converse.answer import finish_reason, read_usage
from isthmus.wire.framing.eventstream import EventStream, Message

_decode_head = msgspec.json.Decoder(schema.AnswerHead).decode
_decode_event = msgspec.json.Decoder(schema.StreamEvent).decode


def summarize(answer: bytes, whole: bool) -> Summary:
    return _of_answer(answer) if whole else _of_stream(answer)


def stream_ended(events: bytes) -> bool:
    if b"metadata" not in events and b"exception" not in events:
        return False
    return any(_is_last(message) for message in _messages(events))


def _is_last(message: Message) -> bool:
    return message.header(":event-type") == "metadata" or message.header(":message-type") in ("exception", "error")


def _of_answer(answer: bytes) -> Summary:
    try:
        head = _decode_head(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Summary()
    return Summary(
        usage=None if head.usage is None else read_usage(head.usage, head.serviceTier),
        finish_reason=finish_reason(head.stopReason) if head.stopReason else None,
        failed=head.stopReason is None,
    )


def _of_stream(answer: bytes) -> Summary:
    usage: Usage | None = None
    reason: FinishReason | None = None
    failed = False
    for message in _messages(answer):
        failed = failed or message.header(":message-type") in ("exception", "error")
        if message.header(":event-type") in ("messageStop", "metadata"):
            event = _event(message.payload)
            usage = usage if event.usage is None else read_usage(event.usage, event.serviceTier)
            reason = finish_reason(event.stopReason) if event.stopReason else reason
    return Summary(usage=usage, finish_reason=reason, failed=failed)


def _messages(data: bytes) -> list[Message]:
    """None where the bytes are no event stream."""
    try:
        return EventStream().feed(data)
    except Malformed:
        return []


def _event(payload: bytes) -> schema.StreamEvent:
    try:
        return _decode_event(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return schema.StreamEvent()
