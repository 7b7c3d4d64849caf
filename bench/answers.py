"""What callers ask and what the provider says, in both dialects.

Written once, so that every answer can be checked against the text it must carry.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

OPENAI_MODEL = "gpt-5.5"
ANTHROPIC_MODEL = "claude-haiku-4-5"
FIRST_WORD = "Certainly"
TEXT = (
    f"{FIRST_WORD}: an isthmus is a narrow strip of land with sea on either side, which joins two larger "
    "lands that would be apart. The best known are those of Panama, between two continents and two oceans, "
    "of Corinth, and of Kra. Canals were cut through the first two, and a third has been talked about for "
    "three hundred and fifty years."
)
# 61 pieces: with the role, the finish and the usage they make 64 events.
PIECES = tuple((" " if number else "") + word for number, word in enumerate(TEXT.split(" ")))
NUMBER = "0" * 16
"""Stands in every question, so that one can be made another by putting another number, as long, in its place."""

_SYSTEM = (
    "You are a careful assistant for students of geography. Answer in plain words and whole sentences, give "
    "the meaning of a term before you use it, name at most three examples, and never go on for more than one "
    "paragraph. When you are not sure of a fact, say so instead of guessing."
)
_TURNS = (
    ("user", "I am reading about trade routes. What do people mean by a strait?"),
    ("assistant", "A strait is a narrow passage of water between two lands, which joins two larger waters."),
    (
        "user",
        "Thank you, that helps. And what is an isthmus, then? Is it simply the same thing the other way round? "
        "Please say what it is, which ones are the best known, and whether anybody has cut a canal through. "
        f"This is question {NUMBER}.",
    ),
)
_CREATED = 1_760_000_000
_CHAT_ID = "chatcmpl-CQ0123456789abcdefghijklmnopqr"
_MESSAGE_ID = "msg_01ABCDEFGHJKLMNPQRSTUVWX"
_INPUT_TOKENS = 142
_OUTPUT_TOKENS = 80
_OPENAI_SNAPSHOT = f"{OPENAI_MODEL}-2026-04-23"
_ANTHROPIC_SNAPSHOT = f"{ANTHROPIC_MODEL}-20251001"


def chat_request(model: str, *, stream: bool) -> bytes:
    """A chat completion's body, 0.9 kB, as OpenAI's clients write it."""
    turns = [{"role": role, "content": text} for role, text in (("system", _SYSTEM), *_TURNS)]
    body: dict[str, Any] = {
        "model": model,
        "messages": turns,
        "max_completion_tokens": 256,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return msgspec.json.encode(body)


def messages_request(model: str, *, stream: bool) -> bytes:
    """The same question as Anthropic's clients write it."""
    turns = [{"role": role, "content": text} for role, text in _TURNS]
    body: dict[str, Any] = {"model": model, "max_tokens": 256, "system": _SYSTEM, "messages": turns}
    if stream:
        body["stream"] = True
    return msgspec.json.encode(body)


def write_answers(directory: Path) -> None:
    """The four files that the upstream serves."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "chat.json").write_bytes(b"".join(chat_pieces(stream=False)))
    (directory / "messages.json").write_bytes(msgspec.json.encode(_messages_whole()))
    (directory / "chat.sse").write_bytes(b"".join(chat_pieces(stream=True)))
    messages = (b"event: %b\ndata: %b\n\n" % (e["type"].encode(), msgspec.json.encode(e)) for e in _messages_events())
    (directory / "messages.sse").write_bytes(b"".join(messages))


def chat_pieces(*, stream: bool) -> list[bytes]:
    """The chat completion, event by event."""
    if not stream:
        return [msgspec.json.encode(_chat_whole())]
    return [*(b"data: %b\n\n" % msgspec.json.encode(event) for event in _chat_events()), b"data: [DONE]\n\n"]


def _chat_usage() -> dict[str, Any]:
    return {
        "prompt_tokens": _INPUT_TOKENS,
        "completion_tokens": _OUTPUT_TOKENS,
        "total_tokens": _INPUT_TOKENS + _OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _chat_whole() -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []}
    return {
        "id": _CHAT_ID,
        "object": "chat.completion",
        "created": _CREATED,
        "model": _OPENAI_SNAPSHOT,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _chat_usage(),
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }


def _chat_events() -> Iterator[dict[str, Any]]:
    def chunk(choices: list[Any], usage: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": _CHAT_ID,
            "object": "chat.completion.chunk",
            "created": _CREATED,
            "model": _OPENAI_SNAPSHOT,
            "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
            "choices": choices,
            "usage": usage,
        }

    def choice(delta: dict[str, Any], finish_reason: str | None = None) -> list[Any]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]

    yield chunk(choice({"role": "assistant", "content": "", "refusal": None}), None)
    for piece in PIECES:
        yield chunk(choice({"content": piece}), None)
    yield chunk(choice({}, "stop"), None)
    yield chunk([], _chat_usage())


def _message(content: list[Any], stop_reason: str | None, output_tokens: int) -> dict[str, Any]:
    return {
        "id": _MESSAGE_ID,
        "type": "message",
        "role": "assistant",
        "model": _ANTHROPIC_SNAPSHOT,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": _INPUT_TOKENS,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        },
    }


def _messages_whole() -> dict[str, Any]:
    return _message([{"type": "text", "text": TEXT, "citations": None}], "end_turn", _OUTPUT_TOKENS)


def _messages_events() -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _message([], None, 1)}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "ping"}
    for piece in PIECES:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    yield {"type": "content_block_stop", "index": 0}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": _OUTPUT_TOKENS}}
    yield {"type": "message_stop"}
