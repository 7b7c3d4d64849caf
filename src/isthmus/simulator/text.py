"""Text: seeded sentences for models that nobody told what to say, a toy tokenizer that is deterministic, loses nothing
and counts whole and streamed text alike, and how text is cut into the pieces that a stream carries.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

IMAGE_TOKENS = 85
MESSAGE_TOKENS = 4
_PIECE = re.compile(r"\s?\w{1,8}|\s?[^\w\s]|\s+")
_OPAQUE = frozenset({"data", "url", "file_data", "image_url", "encrypted_content", "signature"})
_UNCOUNTED = frozenset({"type", "id", "call_id", "tool_call_id", "tool_use_id", "cache_control", "status", "detail"})
_WORDS = (
    "the a one each some water light stone bridge river harbour island narrow wide old new small early late quiet "
    "north south between across under beyond near carries holds meets crosses joins follows returns opens keeps turns "
    "ship road wind salt grain letter lamp map tower garden market winter summer morning evening people city coast "
    "and then while because where so still often never always slowly again together"
).split()
_SENTENCE_WORDS = (5, 12)


def prose(rng: random.Random, words: int) -> str:
    """Exactly `words` words, in sentences."""
    sentences: list[str] = []
    left = words
    while left > 0:
        length = min(left, rng.randint(*_SENTENCE_WORDS))
        chosen = rng.choices(_WORDS, k=length)
        sentences.append(" ".join(chosen).capitalize() + ".")
        left -= length
    return " ".join(sentences)


def pieces(text: str) -> list[str]:
    return _PIECE.findall(text)


def count(text: str) -> int:
    return len(_PIECE.findall(text))


def weigh(value: Any) -> int:
    """Tokens in a message or a tool as sent: its strings, and a flat price for what is not text."""
    if isinstance(value, str):
        return count(value)
    if isinstance(value, dict):
        return sum(
            IMAGE_TOKENS if key in _OPAQUE and isinstance(item, str) else weigh(item)
            for key, item in value.items()
            if key not in _UNCOUNTED
        )
    if isinstance(value, list):
        return sum(map(weigh, value))
    return 0 if value is None else 1


def split_evenly(text: str, parts: int) -> tuple[str, ...]:
    """Exactly `parts` pieces where the text is long enough: between tokens if there are enough of them, else between
    characters."""
    units: Sequence[str] = pieces(text)
    if len(units) < parts:
        units = text
    parts = max(1, min(parts, len(units)))
    edges = [len(units) * index // parts for index in range(parts + 1)]
    return tuple("".join(units[start:end]) for start, end in pairwise(edges))


def split_every(text: str, length: int) -> tuple[str, ...]:
    return tuple(text[start : start + length] for start in range(0, len(text), length))
