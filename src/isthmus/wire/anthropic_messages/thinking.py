"""How much Claude may think, and how long its answer may be: the two are bound together, and other wishes give way."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.request import Chat, Reasoning, ToolCall

DEFAULT_MAX_TOKENS = 4096
MIN_BUDGET = 1024

# Ours: Anthropic has no such table. The highest leaves room for the answer in 32,000 tokens, which every thinking
# model can give. "none" and "minimal" turn thinking off.
BUDGETS = {"none": 0, "minimal": 0, "low": 1024, "medium": 4096, "high": 12288, "xhigh": 20480, "max": 27904}


class ThinkingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`thinking` None: nothing was wished, and the model's own default holds."""

    thinking: dict[str, Any] | None
    max_tokens: int
    lost: tuple[str, ...] = ()

    @property
    def enabled(self) -> bool:
        return self.thinking is not None and self.thinking["type"] == "enabled"


def plan_thinking(chat: Chat) -> ThinkingPlan:
    """A budget given as a number is kept where it is legal (1,024 and more, below `max_tokens`). Where `max_tokens` is
    the caller's, thinking takes at most three quarters of it; where that is too little to think, it is off."""
    asked = chat.max_tokens or DEFAULT_MAX_TOKENS
    field = "effort" if chat.thinking_budget is None else "thinking_budget"
    wish = BUDGETS.get(chat.effort or "") if chat.thinking_budget is None else chat.thinking_budget
    if wish is None:
        return ThinkingPlan(thinking=None, max_tokens=asked)
    if wish <= 0:
        return ThinkingPlan(thinking={"type": "disabled"}, max_tokens=asked)
    if not _may_think(chat):
        return ThinkingPlan(thinking={"type": "disabled"}, max_tokens=asked, lost=(field,))
    budget = max(wish, MIN_BUDGET)
    if chat.max_tokens is None:
        asked += budget
    elif chat.thinking_budget is None or budget >= asked:
        budget = min(budget, asked - asked // 4)
    if budget < MIN_BUDGET:
        return ThinkingPlan(thinking={"type": "disabled"}, max_tokens=asked, lost=(field,))
    changed = chat.thinking_budget is not None and budget != wish
    return ThinkingPlan(
        thinking={"type": "enabled", "budget_tokens": budget},
        max_tokens=asked,
        lost=(field,) if changed else (),
    )


def _may_think(chat: Chat) -> bool:
    """Anthropic refuses thinking with a forced tool, with an answer begun for it, and in the middle of a tool loop
    whose last turn does not begin with the thinking that it signed."""
    if chat.tools and chat.tool_choice is not None and chat.tool_choice.mode in ("required", "named"):
        return False
    if chat.messages and chat.messages[-1].role == "assistant":
        return False
    for message in reversed(chat.messages):
        if message.role == "assistant":
            thought = message.parts[0] if message.parts else None
            signed = isinstance(thought, Reasoning) and thought.signature is not None
            return signed or not any(isinstance(part, ToolCall) for part in message.parts)
    return True
