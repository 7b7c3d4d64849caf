"""Marks for the prompt cache: `cache_control` on blocks, tools and the whole request."""

from __future__ import annotations

from typing import Any

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.part import CacheMark
from isthmus.wire.anthropic_messages.schema import CacheControl

# https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching: a fifth is refused.
MARKS_MAX = 4


def read_mark(stated: CacheControl | None) -> CacheMark | None:
    return None if stated is None else CacheMark(ttl=stated.ttl)


def written_mark(mark: CacheMark) -> dict[str, str]:
    return {"type": "ephemeral"} if mark.ttl is None else {"type": "ephemeral", "ttl": mark.ttl}


def marked(block: dict[str, Any], mark: CacheMark | None) -> dict[str, Any]:
    if mark is not None:
        block["cache_control"] = written_mark(mark)
    return block


def bound_marks(asked: dict[str, Any], receipt: Receipt) -> None:
    """Takes out the first marks of a request that has too many: the last ones reach furthest. The mark on the whole
    request takes one of the places."""
    bearers = [*asked.get("tools", ())]
    system = asked.get("system")
    bearers += system if isinstance(system, list) else ()
    for turn in asked["messages"]:
        for block in turn["content"] if isinstance(turn["content"], list) else ():
            inner = block.get("content")
            bearers += [part for part in inner if isinstance(part, dict)] if isinstance(inner, list) else ()
            bearers.append(block)
    bearers = [bearer for bearer in bearers if bearer.get("cache_control")]
    surplus = len(bearers) - MARKS_MAX + ("cache_control" in asked)
    for bearer in bearers[: max(0, surplus)]:
        del bearer["cache_control"]
        receipt.lost("cache_control", f"this provider takes {MARKS_MAX} marks")
