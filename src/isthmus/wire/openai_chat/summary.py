"""What a log row wants to know of an answer that was relayed: looked up from its end, not decoded."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from isthmus.core.chat.event import FinishReason, Summary
from isthmus.wire.openai_chat.answer.schema import AnsweredUsage, Groq
from isthmus.wire.openai_chat.answer.usage import ERROR, finish_reason, usage_of

_REASON = re.compile(rb'"finish_reason"[ \t]*:[ \t]*"([A-Za-z_-]{1,40})"')
_OBJECT = re.compile(rb"[ \t]*:[ \t]*\{")
_FIRST = re.compile(rb"(?:\A|[\r\n])data:[ \t]*(\{[^\r\n]*)")
_LAST = re.compile(rb"(?:\A|[\r\n])data:[ \t]*(\{[^\r\n]*)\s*\Z")

# The last chunks hold the finish reason: its rarer spelling is looked for there only.
_TAIL_BYTES = 2048


class _Choice(msgspec.Struct, frozen=True):
    finish_reason: str | None = None
    message: _Message | None = None
    usage: AnsweredUsage | None = None


class _Message(msgspec.Struct, frozen=True):
    tool_calls: list[msgspec.Raw] | None = None


class _Answer(msgspec.Struct, frozen=True):
    """The parts of an answer that are looked at; the decoder passes over the rest."""

    model: str | None = None
    usage: AnsweredUsage | None = None
    service_tier: Any = None
    x_groq: Groq | None = None
    choices: list[_Choice] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


def summarize(answer: bytes, whole: bool) -> Summary:
    return _of_whole(answer) if whole else _of_stream(answer)


def _of_whole(data: bytes) -> Summary:
    answer = _decoded(data)
    if answer is None:
        return Summary()
    first = answer.choices[0] if answer.choices else None
    said = first.finish_reason if first is not None else None
    called = first is not None and first.message is not None and bool(first.message.tool_calls)
    return Summary(
        model=answer.model,
        usage=usage_of(answer),
        finish_reason=_reason(said, called),
        failed=said == ERROR or answer.error is not None,
    )


def _of_stream(data: bytes) -> Summary:
    chunk = _usage_chunk(data)
    if chunk is None or chunk.model is None:
        match = _FIRST.search(data)
        first = _decoded(match.group(1)) if match else None
        model = first.model if first else None
    else:
        model = chunk.model
    said = _last_reason(data)
    return Summary(
        model=model,
        usage=None if chunk is None else usage_of(chunk),
        finish_reason=_reason(said, False),
        failed=said == ERROR or (said is None and _ends_in_error(data)),
    )


def _reason(said: str | None, called: bool) -> FinishReason | None:
    return None if not said or said == ERROR else finish_reason(said, called)


def _ends_in_error(data: bytes) -> bool:
    match = _LAST.search(data)
    last = _decoded(match.group(1)) if match else None
    return last is not None and last.error is not None


def _usage_chunk(data: bytes) -> _Answer | None:
    """The last chunk whose `usage` is an object: usually the last `"usage"` of all, else it is searched for in the
    two spellings there are."""
    found = data.rfind(b'"usage"')
    if found >= 0 and _OBJECT.match(data, found + 7) is None:
        found = max(data.rfind(b'"usage":{'), data.rfind(b'"usage": {'))
    if found < 0:
        return None
    start = data.rfind(b"\n", 0, found) + 1
    end = data.find(b"\n", found)
    line = data[start : end if end >= 0 else len(data)]
    return _decoded(line.partition(b":")[2]) if line.startswith(b"data:") else None


def _last_reason(data: bytes) -> str | None:
    start = max(data.rfind(b'"finish_reason":"'), data.rfind(b'"finish_reason": "', max(0, len(data) - _TAIL_BYTES)))
    match = _REASON.match(data, start) if start >= 0 else None
    return match.group(1).decode() if match else None


def _decoded(data: bytes) -> _Answer | None:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
