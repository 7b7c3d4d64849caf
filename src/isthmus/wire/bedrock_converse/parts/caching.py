"""Marks for the prompt cache: a cachePoint block after what it marks."""

from __future__ import annotations

from typing import Any

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.part import CacheMark
from isthmus.wire.bedrock_converse.parts.families import Family
from isthmus.wire.bedrock_converse.schema import CachePoint

# https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
MARKS_MAX = 4

Json = dict[str, Any]


def read_mark(point: CachePoint) -> CacheMark:
    return CacheMark(ttl=point.ttl)


def marked(blocks: list[Json], mark: CacheMark | None, family: Family, receipt: Receipt) -> list[Json]:
    """The blocks, and after them the point where they bear a mark. Nothing is marked that is not there."""
    if mark is None or not blocks:
        return blocks
    if not family.caches:
        receipt.lost("cache_control", "this model keeps no prompts")
        return blocks
    point = {"type": "default"}
    if mark.ttl is not None and family.claude:
        point["ttl"] = mark.ttl
    elif mark.ttl == "1h":
        receipt.lost("cache_control.ttl", "this model keeps prompts for five minutes")
    return [*blocks, {"cachePoint": point}]


def bound_points(asked: Json, receipt: Receipt) -> None:
    """Takes out the first points of a request that has too many: the last ones reach furthest."""
    places = [asked.get("toolConfig", {}).get("tools", []), asked.get("system", [])]
    places += [turn["content"] for turn in asked["messages"]]
    points = [(place, block) for place in places for block in place if "cachePoint" in block]
    for place, point in points[: max(0, len(points) - MARKS_MAX)]:
        place[:] = [block for block in place if block is not point]
        receipt.lost("cache_control", f"this provider takes {MARKS_MAX} marks")
