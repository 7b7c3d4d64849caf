"""Effort in words and thinking in tokens: two spellings of one wish, each made of the other where a target wants it."""

from __future__ import annotations

from isthmus.core.chat.request import Effort

# Ours: no vendor has such a table. The highest leaves room for an answer within 32,000 tokens, which every thinking
# model can give. "none" turns thinking off; "minimal" does too where there is no smaller amount.
BUDGETS: dict[Effort, int] = {
    "none": 0,
    "minimal": 0,
    "low": 1024,
    "medium": 4096,
    "high": 12288,
    "xhigh": 20480,
    "max": 27904,
}

_EFFORTS: tuple[tuple[int, Effort], ...] = ((0, "none"), (1024, "low"), (8192, "medium"))


def effort_of(budget: int) -> Effort:
    """The effort whose share a budget is; -1 and the like ("as you see fit") are left to the caller of this."""
    for most, effort in _EFFORTS:
        if budget <= most:
            return effort
    return "high"
