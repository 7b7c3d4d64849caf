"""Events to Chat Completions, streamed or whole, as OpenAI's own answers look."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.event import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.usage import Usage
from isthmus.errors import Interrupted
from isthmus.wire.framing.sse import event as sse_event
from isthmus.wire.json_text import prefixed_id
from isthmus.wire.openai_chat.errors import write_error

ID_PREFIX = "chatcmpl-"

_encode = msgspec.json.encode
_DONE = b"data: [DONE]\n\n"
_CALL = b'"tool_calls":[{"index":%d,"id":%b,"type":"function","function":{"name":%b,"arguments":""}}]'
_ARGUMENTS = b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]'


def write_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


class StreamWriter:
    """A chunk an event. Usage waits for `close`, since the chunk that carries it is the last one."""

    __slots__ = ("_bare", "_finished", "_head", "_include_usage", "_tail", "_usage")

    def __init__(self, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._head = b""
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._usage: Usage | None = None
        self._finished = False
        self._bare: list[int] = []  # calls without arguments so far

    def write(self, event: Event) -> bytes:
        # The shapes are spelled out: 1 µs an event where a dictionary a chunk takes 3.
        if isinstance(event, TextDelta):
            return self._chunk(b'"content":' + _encode(event.text))
        if isinstance(event, ToolCallDelta):
            if event.index in self._bare:
                self._bare.remove(event.index)
            return self._chunk(_ARGUMENTS % (event.index, _encode(event.arguments)))
        if isinstance(event, ReasoningDelta):
            return self._chunk(b'"reasoning_content":' + _encode(event.text)) if event.text else b""
        if isinstance(event, ToolCallStarted):
            self._bare.append(event.index)
            return self._chunk(_CALL % (event.index, _encode(event.id), _encode(event.name)))
        return self._write_rare(event)

    def close(self) -> bytes:
        """Nothing for an answer that never finished: `[DONE]` would say that it had."""
        if not self._finished:
            return b""
        if not self._include_usage or self._usage is None:
            return _DONE
        usage = _encode(write_usage(self._usage))
        return b"data: " + self._head + b'"choices":[],"usage":' + usage + b"}\n\n" + _DONE

    def _write_rare(self, event: Event) -> bytes:
        if isinstance(event, Started):
            head = {
                "id": prefixed_id(ID_PREFIX, event.id),
                "object": "chat.completion.chunk",
                "created": event.created or 0,
                "model": event.model,
            }
            self._head = _encode(head)[:-1] + b","
            self._usage = event.usage
            return self._chunk(b'"role":"assistant","content":"","refusal":null')
        if isinstance(event, RefusalDelta):
            return self._chunk(b'"refusal":' + _encode(event.text))
        if isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Finished):
            self._finished = True
            # Callers parse the arguments: none at all must still be JSON.
            empty = b"".join(self._chunk(_ARGUMENTS % (index, b'"{}"')) for index in self._bare)
            return empty + self._chunk(b"", _encode(event.reason))
        elif isinstance(event, Failed):
            self._finished = False
            return sse_event(write_error(event.error))
        return b""

    def _chunk(self, delta: bytes, reason: bytes = b"null") -> bytes:
        return b'data: %b"choices":[{"index":0,"delta":{%b},"logprobs":null,"finish_reason":%b}]%b' % (
            self._head,
            delta,
            reason,
            self._tail,
        )


class WholeWriter:
    """Gathers the events; `close` gives the answer. Raises the error of `Failed`."""

    __slots__ = ("_calls", "_reason", "_reasoning", "_refusal", "_started", "_text", "_usage")

    def __init__(self) -> None:
        self._started: Started | None = None
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, tuple[ToolCallStarted, list[str]]] = {}
        self._reason: str | None = None
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        if isinstance(event, TextDelta):
            self._text.append(event.text)
        elif isinstance(event, ToolCallDelta):
            self._calls[event.index][1].append(event.arguments)
        elif isinstance(event, ReasoningDelta):
            self._reasoning.append(event.text)
        elif isinstance(event, RefusalDelta):
            self._refusal.append(event.text)
        elif isinstance(event, ToolCallStarted):
            self._calls[event.index] = (event, [])
        elif isinstance(event, Started):
            self._started, self._usage = event, event.usage
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Finished):
            self._reason = event.reason
        else:
            raise event.error
        return b""

    def close(self) -> bytes:
        if self._started is None or self._reason is None:
            raise Interrupted("The provider stopped in the middle of its answer.")
        choice = {"index": 0, "message": self._message(), "logprobs": None, "finish_reason": self._reason}
        answer: dict[str, Any] = {
            "id": prefixed_id(ID_PREFIX, self._started.id),
            "object": "chat.completion",
            "created": self._started.created or 0,
            "model": self._started.model,
            "choices": [choice],
        }
        if self._usage is not None:
            answer["usage"] = write_usage(self._usage)
        return _encode(answer)

    def _message(self) -> dict[str, Any]:
        text, refusal = "".join(self._text), "".join(self._refusal)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text or (None if self._calls or refusal else ""),
            "refusal": refusal or None,
            "annotations": [],
        }
        if any(self._reasoning):
            message["reasoning_content"] = "".join(self._reasoning)
        if self._calls:
            message["tool_calls"] = [_whole_call(*call) for _, call in sorted(self._calls.items())]
        return message


def _whole_call(started: ToolCallStarted, arguments: list[str]) -> dict[str, Any]:
    function = {"name": started.name, "arguments": "".join(arguments) or "{}"}
    return {"id": started.id, "type": "function", "function": function}
