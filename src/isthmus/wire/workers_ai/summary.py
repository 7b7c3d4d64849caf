"""What a log row wants to know of a native answer that was relayed."""

from __future__ import annotations

import msgspec

from isthmus.core.chat.event import Summary
from isthmus.wire.openai_chat import summary as openai
from isthmus.wire.openai_chat.answer.schema import AnsweredUsage
from isthmus.wire.openai_chat.answer.usage import finish_reason, read_usage
from isthmus.wire.openai_chat.relay import stream_ended

_FAILURES = (b'data: {"result":null,"success":false', b'data: {"success":false', b'data: {"errors":[{')
_END_BYTES = 64


class _Answer(msgspec.Struct, frozen=True):
    """The parts of a whole answer that are looked at; `success` and `result` are the v4 envelope's."""

    usage: AnsweredUsage | None = None
    finish_reason: str | None = None
    tool_calls: list[msgspec.Raw] | None = None
    choices: list[msgspec.Raw] | None = None
    success: bool | None = None
    result: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Answer).decode


def summarize(answer: bytes, whole: bool) -> Summary:
    return _of_whole(answer) if whole else _of_stream(answer)


def _of_whole(data: bytes) -> Summary:
    answer = _decoded(data)
    if answer is not None and answer.success is False:
        return Summary(failed=True)
    if answer is not None and bytes(answer.result).startswith(b"{"):
        data = bytes(answer.result)
        answer = _decoded(data)
    if answer is None:
        return Summary()
    if answer.choices is not None:
        return openai.summarize(data, True)
    return Summary(
        usage=None if answer.usage is None else read_usage(answer.usage),
        finish_reason=finish_reason(answer.finish_reason or "stop", bool(answer.tool_calls)),
    )


def _of_stream(data: bytes) -> Summary:
    """Cloudflare's own streams name no reason: one that came to its end has stopped."""
    found = openai.summarize(data, False)
    if found.finish_reason is None and stream_ended(data[-_END_BYTES:]):
        return msgspec.structs.replace(found, finish_reason="stop")
    if found.finish_reason is None and any(failure in data for failure in _FAILURES):
        return msgspec.structs.replace(found, failed=True)
    return found


def _decoded(data: bytes) -> _Answer | None:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
