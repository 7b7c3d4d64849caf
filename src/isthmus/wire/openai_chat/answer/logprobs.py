"""The probabilities of an answer's tokens, from and to `choices[].logprobs`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from isthmus.core.chat.event import TokenLogprob

_NEVER = -9999.0
"""OpenAI's word for a token too unlikely to have a number; JSON has no infinity."""


def read_logprobs(given: Any) -> tuple[TokenLogprob, ...]:
    """Nothing where they are not of OpenAI's form (some servers answer in that of its old completions)."""
    content = given.get("content") if isinstance(given, dict) else None
    found = []
    for item in content if isinstance(content, list) else ():
        pair = _pair(item)
        if pair is not None:
            rivals = item.get("top_logprobs")
            top = tuple(rival for rival in map(_pair, rivals if isinstance(rivals, list) else ()) if rival is not None)
            found.append(TokenLogprob(token=pair[0], logprob=pair[1], top=top))
    return tuple(found)


def _pair(item: Any) -> tuple[str, float] | None:
    if not isinstance(item, dict):
        return None
    token, logprob = item.get("token"), item.get("logprob")
    if not isinstance(token, str) or not isinstance(logprob, int | float):
        return None
    return token, float(logprob)


def write_logprobs(tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    content = [
        _written(token.token, token.logprob) | {"top_logprobs": [_written(*rival) for rival in token.top]}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def _written(token: str, logprob: float) -> dict[str, Any]:
    number = logprob if math.isfinite(logprob) else _NEVER
    return {"token": token, "logprob": number, "bytes": list(token.encode("utf-8", "replace"))}
