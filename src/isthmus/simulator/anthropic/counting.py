"""How a prompt is counted, and how much of it was in the cache: written at breakpoints, read by later requests that
begin with the same blocks.
"""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.simulator import text as texts
from isthmus.simulator.exchange import Rejection, World
from isthmus.simulator.models import Model

_PROMPT_TOKENS = 3


class PromptUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The four add up: `fresh` is what was neither read from the cache nor written to it."""

    fresh: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def total(self) -> int:
        return self.fresh + self.read + self.written_5m + self.written_1h

    def as_usage(self) -> dict[str, Any]:
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.written_5m + self.written_1h,
            "cache_read_input_tokens": self.read,
        }


def count_prompt(world: World, raw: dict[str, Any], model: Model) -> PromptUsage:
    """Of the body of a request that has been found sound. Remembers what it wrote to the cache."""
    blocks = _blocks(raw)
    weights = [texts.MESSAGE_TOKENS + texts.weigh(block) for block in blocks]
    total = sum(weights) + _PROMPT_TOKENS
    if total > model.context_tokens:
        raise Rejection(f"prompt is too long: {total} tokens > {model.context_tokens} maximum")
    marks = [_mark(block) for block in blocks]
    if (whole_mark := _mark(raw)) and not marks[-1]:
        marks[-1] = whole_mark
    if total < model.cache_minimum_tokens or not any(marks):
        return PromptUsage(fresh=total)
    running = read = marked = 0
    written = {"5m": 0, "1h": 0}
    digest = model.name.encode()
    for block, weight, mark in zip(blocks, weights, marks, strict=True):
        running += weight
        digest = world.seed.digest(digest, msgspec.json.encode(_unmarked(block)))
        if mark is None or running < model.cache_minimum_tokens:
            continue
        if world.prefixes.get(digest):
            read, written = running, {"5m": 0, "1h": 0}
        else:
            written[mark] += running - marked
        marked = running
        world.prefixes.put(digest, True)
    return PromptUsage(fresh=total - marked, read=read, written_5m=written["5m"], written_1h=written["1h"])


def _blocks(raw: dict[str, Any]) -> list[Any]:
    """Everything the model reads, in the order in which it is cached: tools, system, messages."""
    blocks: list[Any] = list(raw.get("tools", ()))
    for content in (raw.get("system", []), *(message["content"] for message in raw["messages"])):
        blocks.extend([content] if isinstance(content, str) else content)
    return blocks


def _mark(block: Any) -> str | None:
    control = block.get("cache_control") if isinstance(block, dict) else None
    return control.get("ttl", "5m") if control else None


def _unmarked(block: Any) -> Any:
    return (
        {name: value for name, value in block.items() if name != "cache_control"} if isinstance(block, dict) else block
    )
