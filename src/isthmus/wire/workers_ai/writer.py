"""Events to the native form. Beside Cloudflare's documented fields stand `finish_reason`, and `id` and `index` of tool
calls: its own client library reads them, and no caller minds. Thinking, sources and further choices have no place."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.event import (
    Event,
    Failed,
    Finished,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted
from isthmus.wire.framing.sse import event as sse_event
from isthmus.wire.json_text import on_one_line
from isthmus.wire.openai_chat.answer.usage import write_reason
from isthmus.wire.sealed import seal_id
from isthmus.wire.workers_ai.errors import write_error

_encode = msgspec.json.encode
_DONE = b"data: [DONE]\n\n"


def write_usage(usage: Usage) -> dict[str, Any]:
    written: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.cache_read_tokens:
        written["prompt_tokens_details"] = {"cached_tokens": usage.cache_read_tokens}
    if usage.reasoning_tokens:
        written["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return written


class _Calls:
    """Tool calls go out complete, their arguments as an object."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[int, tuple[ToolCallStarted, list[str]]] = {}

    def add(self, event: Event) -> None:
        if isinstance(event, ToolCallStarted) and not event.choice:
            self._calls[event.index] = (event, [])
        elif isinstance(event, ToolCallDelta) and event.index in self._calls:
            self._calls[event.index][1].append(event.arguments)

    def written(self) -> list[dict[str, Any]]:
        return [
            {
                "id": seal_id(call.id, call.signature),
                "index": index,
                "name": call.name,
                "arguments": _object("".join(arguments) or "{}"),
            }
            for index, (call, arguments) in enumerate(self._calls.values())
        ]


class StreamWriter:
    __slots__ = ("_calls", "_reason", "_usage")

    def __init__(self) -> None:
        self._calls = _Calls()
        self._reason: str | None = None
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        if isinstance(event, TextDelta | RefusalDelta):
            return b"" if event.choice else b'data: {"response":%b}\n\n' % _encode(event.text)
        if isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Failed):
            self._reason = None
            return sse_event(write_error(event.error))
        elif isinstance(event, Finished):
            if event.choice:
                return b""
            self._reason = write_reason(event.reason)
            calls = self._calls.written()
            return sse_event(_encode({"response": "", "tool_calls": calls})) if calls else b""
        else:
            self._calls.add(event)
        return b""

    def close(self) -> bytes:
        """Nothing for an answer that never finished: `[DONE]` would say that it had."""
        if self._reason is None:
            return b""
        last: dict[str, Any] = {"response": "", "finish_reason": self._reason}
        if self._usage is not None:
            last["usage"] = write_usage(self._usage)
        return sse_event(_encode(last)) + _DONE


class WholeWriter:
    """`as_object`: an answer that is JSON goes out as JSON, not as its text, which is what Cloudflare does where a
    `response_format` was asked for (https://developers.cloudflare.com/workers-ai/features/json-mode)."""

    __slots__ = ("_as_object", "_calls", "_reason", "_text", "_usage")

    def __init__(self, as_object: bool) -> None:
        self._as_object = as_object
        self._calls = _Calls()
        self._reason: str | None = None
        self._text: list[str] = []
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        if isinstance(event, TextDelta | RefusalDelta):
            if not event.choice:
                self._text.append(event.text)
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Failed):
            raise event.error
        elif isinstance(event, Finished):
            if not event.choice:
                self._reason = write_reason(event.reason)
        else:
            self._calls.add(event)
        return b""

    def close(self) -> bytes:
        if self._reason is None:
            raise Interrupted("The provider stopped in the middle of its answer.")
        text = "".join(self._text)
        answer: dict[str, Any] = {"response": _object(text) if self._as_object else text}
        calls = self._calls.written()
        if calls:
            answer["tool_calls"] = calls
        answer["finish_reason"] = self._reason
        if self._usage is not None:
            answer["usage"] = write_usage(self._usage)
        return _encode(answer)


def _object(text: str) -> msgspec.Raw | str:
    """The object or array that `text` spells, each value as it was spelled; what does not spell one stays text."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return text
    return msgspec.Raw(on_one_line(text).encode()) if isinstance(value, dict | list) else text
