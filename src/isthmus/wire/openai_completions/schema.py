"""Text completions as types: what callers send, read strictly, and what providers answer, read loosely."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from isthmus.wire.openai_chat.answer.schema import AnsweredUsage, Groq
from isthmus.wire.openai_chat.schema import StreamOptions
from isthmus.wire.unknown_fields import RequestReading

Prompt = str | tuple[str | int | tuple[int, ...], ...]
"""A text, several of them, the tokens of one, or of several."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI takes at most 5 `logprobs`, other servers up to 20. `top_k` is other servers' too. `options` and `gateway`
    are the gateway's own (data-plane 4.2)."""

    prompt: Prompt | None = None
    model: str | None = None
    suffix: str | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, msgspec.Meta(ge=0, le=128)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    stop: str | tuple[str, ...] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    options: Any = None
    gateway: Any = None


REQUEST: RequestReading[Request] = RequestReading(Request, Request, {})


class Choice(msgspec.Struct, frozen=True):
    index: int | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class Answer(msgspec.Struct, frozen=True):
    """A chunk of a stream, or a whole answer: they look alike."""

    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[Choice] | None = None
    usage: AnsweredUsage | None = None
    service_tier: Any = None
    x_groq: Groq | None = None
    error: Any = None
