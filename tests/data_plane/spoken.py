"""A short sound answer in each provider's dialect, whole and in events, with any text in its middle."""

from __future__ import annotations

from typing import Any

import msgspec

from data_plane.callers import BEDROCK, CHAT, COHERE, GEMINI, MESSAGES, RESPONSES
from isthmus.wire.framing.eventstream import encode

BINARY = "application/vnd.amazon.eventstream"

_CHAT = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1780000000, "model": "m"}
_CHUNK = {**_CHAT, "object": "chat.completion.chunk"}
_CHAT_USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
_RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1780000000, "model": "m", "error": None}
_RESPONSE_USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
_GEMINI_USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}


def content_type(dialect: str, stream: bool) -> str:
    if not stream:
        return "application/json"
    return BINARY if dialect == BEDROCK else "text/event-stream"


def whole(dialect: str, text: str, **more: Any) -> bytes:
    """`more`: further fields beside the answer's own."""
    return msgspec.json.encode({**_WHOLE[dialect](text), **more})


def _chat(text: str) -> dict[str, Any]:
    said = {"role": "assistant", "content": text}
    return {**_CHAT, "choices": [{"index": 0, "message": said, "finish_reason": "stop"}], "usage": _CHAT_USAGE}


def _response(text: str) -> dict[str, Any]:
    said = [{"type": "output_text", "text": text, "annotations": []}]
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": said}
    return {**_RESPONSE, "status": "completed", "output": [item], "usage": _RESPONSE_USAGE}


def _message(text: str) -> dict[str, Any]:
    said = [{"type": "text", "text": text}]
    return {**_MESSAGE, "content": said, "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2}}


def _gemini(text: str, reason: str | None = "STOP") -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    ended: dict[str, Any] = {} if reason is None else {"finishReason": reason}
    return {"candidates": [candidate | ended], "usageMetadata": _GEMINI_USAGE, "modelVersion": "m", "responseId": "r1"}


def _bedrock(text: str) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 7},
    }


def _cohere(text: str) -> dict[str, Any]:
    said = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return {"id": "c1", "finish_reason": "COMPLETE", "message": said, "usage": _cohere_usage()}


def _cohere_usage() -> dict[str, Any]:
    tokens = {"input_tokens": 3, "output_tokens": 2}
    return {"billed_units": tokens, "tokens": tokens}


_WHOLE = {CHAT: _chat, RESPONSES: _response, MESSAGES: _message, GEMINI: _gemini, BEDROCK: _bedrock, COHERE: _cohere}


def event(dialect: str, data: Any, name: str | None = None, kind: str = "event") -> bytes:
    """One event as the dialect's providers frame it; `name` is Bedrock's, and the others' `type` where they have it."""
    body = msgspec.json.encode(data)
    if dialect == BEDROCK:
        of_kind = {f":{kind}-type": name or "", ":content-type": "application/json", ":message-type": kind}
        return encode(of_kind, body)
    kind_of = data.get("type") if isinstance(data, dict) else None
    named = kind_of if dialect in (RESPONSES, MESSAGES, COHERE) and isinstance(kind_of, str) else None
    return (b"" if named is None else f"event: {named}\n".encode()) + b"data: " + body + b"\n\n"


def begin(dialect: str) -> list[bytes]:
    """The events before the first text."""
    if dialect == CHAT:
        return [event(CHAT, {**_CHUNK, "choices": [_choice({"role": "assistant", "content": ""})]})]
    if dialect == RESPONSES:
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        part = {"type": "output_text", "text": "", "annotations": []}
        started = {**_RESPONSE, "status": "in_progress", "output": [], "usage": None}
        return [
            event(RESPONSES, {"type": "response.created", "sequence_number": 0, "response": started}),
            event(
                RESPONSES,
                {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item},
            ),
            event(RESPONSES, {"type": "response.content_part.added", "sequence_number": 2, **_IN_ITEM, "part": part}),
        ]
    if dialect == MESSAGES:
        usage = {"input_tokens": 3, "output_tokens": 0}
        return [
            event(
                MESSAGES,
                {
                    "type": "message_start",
                    "message": {**_MESSAGE, "content": [], "stop_reason": None, "usage": usage},
                },
            ),
            event(MESSAGES, {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ]
    if dialect == BEDROCK:
        return [event(BEDROCK, {"role": "assistant"}, "messageStart")]
    if dialect == COHERE:
        started = {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}}
        text = {"message": {"content": {"type": "text", "text": ""}}}
        return [
            event(COHERE, {"type": "message-start", "id": "c1", "delta": started}),
            event(COHERE, {"type": "content-start", "index": 0, "delta": text}),
        ]
    return []


_IN_ITEM = {"item_id": "msg_1", "output_index": 0, "content_index": 0}


def _choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": reason}


def text_event(dialect: str, text: str) -> bytes:
    if dialect == CHAT:
        return event(CHAT, {**_CHUNK, "choices": [_choice({"content": text})]})
    if dialect == RESPONSES:
        data = {"type": "response.output_text.delta", "sequence_number": 3, **_IN_ITEM, "delta": text}
        return event(RESPONSES, data)
    if dialect == MESSAGES:
        delta = {"type": "text_delta", "text": text}
        return event(MESSAGES, {"type": "content_block_delta", "index": 0, "delta": delta})
    if dialect == GEMINI:
        return event(GEMINI, _gemini(text, reason=None))
    if dialect == BEDROCK:
        return event(BEDROCK, {"contentBlockIndex": 0, "delta": {"text": text}}, "contentBlockDelta")
    return event(COHERE, {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}})


def end(dialect: str, text: str) -> list[bytes]:
    """The events after the last text; `text` is all that was said."""
    if dialect == CHAT:
        return [
            event(CHAT, {**_CHUNK, "choices": [_choice({}, "stop")]}),
            event(CHAT, {**_CHUNK, "choices": [], "usage": _CHAT_USAGE}),
            b"data: [DONE]\n\n",
        ]
    if dialect == RESPONSES:
        return [event(RESPONSES, {"type": "response.completed", "sequence_number": 4, "response": _response(text)})]
    if dialect == MESSAGES:
        stopped = {"stop_reason": "end_turn", "stop_sequence": None}
        return [
            event(MESSAGES, {"type": "content_block_stop", "index": 0}),
            event(MESSAGES, {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 2}}),
            event(MESSAGES, {"type": "message_stop"}),
        ]
    if dialect == GEMINI:
        return [event(GEMINI, _gemini("", "STOP"))]
    if dialect == BEDROCK:
        usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
        return [
            event(BEDROCK, {"contentBlockIndex": 0}, "contentBlockStop"),
            event(BEDROCK, {"stopReason": "end_turn"}, "messageStop"),
            event(BEDROCK, {"usage": usage, "metrics": {"latencyMs": 7}}, "metadata"),
        ]
    ended = {"finish_reason": "COMPLETE", "usage": _cohere_usage()}
    return [
        event(COHERE, {"type": "content-end", "index": 0}),
        event(COHERE, {"type": "message-end", "id": "c1", "delta": ended}),
    ]


def stream(dialect: str, *texts: str) -> list[bytes]:
    return [*begin(dialect), *(text_event(dialect, text) for text in texts), *end(dialect, "".join(texts))]


# What a provider says in the place of an answer, or of an event, when it is overloaded.
SAID = "The model is overloaded."
ERRORS: dict[str, Any] = {
    CHAT: {"error": {"message": SAID, "type": "server_error", "param": None, "code": "503"}},
    RESPONSES: {
        **_RESPONSE,
        "status": "failed",
        "output": [],
        "error": {"code": "server_error", "message": SAID},
        "usage": None,
    },
    MESSAGES: {"type": "error", "error": {"type": "overloaded_error", "message": SAID}, "request_id": "req_1"},
    GEMINI: {"error": {"code": 503, "message": SAID, "status": "UNAVAILABLE"}},
}


def error_event(dialect: str) -> bytes:
    if dialect == RESPONSES:
        return event(
            RESPONSES,
            {"type": "error", "sequence_number": 3, "code": "server_error", "message": SAID, "param": None},
        )
    if dialect == BEDROCK:
        return event(BEDROCK, {"message": SAID}, "serviceUnavailableException", "exception")
    if dialect == COHERE:
        ended = {"finish_reason": "ERROR", "error": SAID}
        return event(COHERE, {"type": "message-end", "id": "c1", "delta": ended})
    return event(dialect, ERRORS[dialect])
