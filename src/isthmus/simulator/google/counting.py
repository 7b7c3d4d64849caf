"""How a prompt is counted, by kind of content, and how much of it was in the cache: the longest prefix of whole turns
seen before.
"""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.simulator import text as texts
from isthmus.simulator.exchange import Exchange
from isthmus.simulator.google.errors import GoogleRejection
from isthmus.simulator.models import Model

MEDIA_TOKENS = 258
_SEARCH_TOKENS = 60
_FAMILIES = {"image": "IMAGE", "audio": "AUDIO", "video": "VIDEO", "text": "TEXT"}
_UNCOUNTED = frozenset({"thoughtSignature", "thought", "role", "id"})

Details = dict[str, int]


class PromptUsage(msgspec.Struct, frozen=True, kw_only=True):
    """`tokens` by modality; `cached` of them are a prefix. `search` is what a search brought in, on top."""

    tokens: Details
    cached: int = 0
    search: int = 0

    @property
    def total(self) -> int:
        return sum(self.tokens.values())

    def as_usage(self) -> dict[str, Any]:
        usage: dict[str, Any] = {"promptTokenCount": self.total, "promptTokensDetails": rows(self.tokens)}
        if self.cached:
            usage |= {"cachedContentTokenCount": self.cached, "cacheTokensDetails": rows(self._cached_details())}
        if self.search:
            usage |= {
                "toolUsePromptTokenCount": self.search,
                "toolUsePromptTokensDetails": rows({"TEXT": self.search}),
            }
        return usage

    def _cached_details(self) -> Details:
        left, details = self.cached, dict[str, int]()
        for modality, tokens in self.tokens.items():
            details[modality] = min(left, tokens)
            left -= details[modality]
        return {modality: tokens for modality, tokens in details.items() if tokens}


def rows(details: Details) -> list[dict[str, Any]]:
    return [{"modality": modality, "tokenCount": tokens} for modality, tokens in details.items()]


def count_prompt(exchange: Exchange, model: Model, request: dict[str, Any], searches: bool) -> PromptUsage:
    """Of a request that has been found sound. Remembers what it saw."""
    total: Details = {"TEXT": 1}
    digest, cached = model.name.encode(), 0
    for block in (request.get("tools"), request.get("systemInstruction"), *request["contents"]):
        if block is None:
            continue
        _add(block, total)
        running = sum(total.values())
        digest = exchange.world.seed.digest(digest, msgspec.json.encode(block))
        if running < model.cache_minimum_tokens:
            continue
        if exchange.world.prefixes.get(digest):
            cached = running
        exchange.world.prefixes.put(digest, True)
    counted = sum(total.values())
    if counted > model.context_tokens:
        raise GoogleRejection(
            f"The input token count ({counted}) exceeds the maximum number of tokens allowed ({model.context_tokens})."
        )
    return PromptUsage(tokens=total, cached=cached, search=_SEARCH_TOKENS if searches else 0)


def _add(value: Any, total: Details) -> None:
    if isinstance(value, dict):
        if "mimeType" in value or "fileUri" in value:
            modality = _FAMILIES.get(value.get("mimeType", "").partition("/")[0], "DOCUMENT")
            total[modality] = total.get(modality, 0) + MEDIA_TOKENS
            return
        for name, item in value.items():
            if name not in _UNCOUNTED:
                _add(item, total)
    elif isinstance(value, list):
        for item in value:
            _add(item, total)
    elif value is not None:
        total["TEXT"] += texts.count(value) if isinstance(value, str) else 1
