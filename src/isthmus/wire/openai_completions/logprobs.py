"""The probabilities of an answer's tokens in the form of text completions: lists of equal length beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from isthmus.core.chat.event import TokenLogprob

_NEVER = -9999.0
"""OpenAI's word for a token too unlikely to have a number; JSON has no infinity."""


def in_chats_form(given: Any) -> Any:
    """As chat completions have them, which some servers do here too."""
    if not isinstance(given, dict) or "content" in given:
        return given
    tokens, numbers, tops = (_listed(given.get(name)) for name in ("tokens", "token_logprobs", "top_logprobs"))
    rows = zip_longest(tokens, numbers[: len(tokens)], tops[: len(tokens)])
    return {"content": [{"token": t, "logprob": n, "top_logprobs": _rivals(top)} for t, n, top in rows]}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _rivals(top: Any) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": number} for token, number in top.items()] if isinstance(top, dict) else []


def write_logprobs(tokens: Iterable[TokenLogprob], offset: int) -> dict[str, Any]:
    """`offset`: characters before the first of them, the prompt's included."""
    written: dict[str, list[Any]] = {"text_offset": [], "token_logprobs": [], "tokens": [], "top_logprobs": []}
    for token in tokens:
        number = _finite(token.logprob)
        written["text_offset"].append(offset)
        written["token_logprobs"].append(number)
        written["tokens"].append(token.token)
        written["top_logprobs"].append({name: _finite(each) for name, each in token.top} | {token.token: number})
        offset += len(token.token)
    return written


def _finite(number: float) -> float:
    return number if math.isfinite(number) else _NEVER
