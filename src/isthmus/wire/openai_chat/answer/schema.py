"""What providers answer, as types: a chunk of a stream, or all of it. Read loosely, since a provider's oddity must not
cost the caller the answer: what may come in any shape is `Any` here, and looked at where it is used."""

from __future__ import annotations

from typing import Any

import msgspec

Count = int | float | None


class PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None


class CompletionDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: Count = None
    audio_tokens: Count = None


class AnsweredUsage(msgspec.Struct, frozen=True):
    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    cached_tokens: Count = None  # Moonshot's
    prompt_cache_hit_tokens: Count = None  # DeepSeek's
    cache_read_input_tokens: Count = None  # of gateways that keep Anthropic's names
    cache_creation_input_tokens: Count = None
    reasoning_tokens: Count = None  # Perplexity's
    num_search_queries: Count = None  # Perplexity's
    server_tool_use: Any = None  # OpenRouter's: {"web_search_requests": 1}


class AnsweredFunction(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: Any = None


class AnsweredCustom(msgspec.Struct, frozen=True):
    name: str | None = None
    input: str | None = None


class AnsweredCall(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: AnsweredFunction | None = None
    custom: AnsweredCustom | None = None
    extra_content: Any = None  # Google's: {"google": {"thought_signature": "…"}}


class Said(msgspec.Struct, frozen=True):
    """A chunk's delta, or a whole answer's message."""

    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    reasoning_content: Any = None  # DeepSeek, llama.cpp, older vLLM
    reasoning: Any = None  # OpenRouter, newer vLLM
    reasoning_details: Any = None  # OpenRouter
    tool_calls: list[AnsweredCall] | None = None
    function_call: AnsweredFunction | None = None
    annotations: Any = None


class Choice(msgspec.Struct, frozen=True):
    index: int | None = None
    delta: Said | None = None
    message: Said | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    usage: AnsweredUsage | None = None  # Moonshot's, in streams


class Groq(msgspec.Struct, frozen=True):
    usage: AnsweredUsage | None = None


class Answer(msgspec.Struct, frozen=True):
    """A chunk or a whole answer: they differ in `delta` and `message` only."""

    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[Choice] | None = None
    usage: AnsweredUsage | None = None
    service_tier: Any = None
    x_groq: Groq | None = None
    citations: Any = None  # Perplexity's and xAI's: addresses
    search_results: Any = None  # Perplexity's: {"title", "url", "date"}
    error: Any = None
