"""How much Claude may think, and how long its answer may be: the two are bound together, and other wishes give way."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Reasoning, ToolCall
from isthmus.wire.anthropic_messages.parts.signatures import OWN
from isthmus.wire.thinking import BUDGETS, effort_of

DEFAULT_MAX_TOKENS = 4096
MIN_BUDGET = 1024
_LEVELS = ("low", "medium", "high", "xhigh", "max")  # of `output_config.effort`


class ThinkingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`thinking` None: nothing was wished, and the model's own default holds. `effort` goes to `output_config`."""

    thinking: dict[str, Any] | None
    max_tokens: int
    effort: str | None = None

    @property
    def enabled(self) -> bool:
        return self.thinking is not None and self.thinking["type"] != "disabled"


def plan_thinking(chat: Chat, model: Model, receipt: Receipt) -> ThinkingPlan:
    """A model that is told an effort takes no number of tokens, and the reverse. Of what is not known a budget is
    tried: the oldest way, which the most models take."""
    wish = _wish(chat)
    if model.thinking == "none":
        if wish:
            receipt.lost(_field(chat), "this model does not think")
        plan = ThinkingPlan(thinking=None, max_tokens=_max_tokens(chat, model, 0))
    elif model.thinking == "adaptive":
        plan = _adaptive(chat, model, wish, receipt)
    else:
        plan = _budgeted(chat, model, wish, receipt)
    return _shown(_fitted(plan, chat, model, receipt), chat, receipt)


def _field(chat: Chat) -> str:
    return "effort" if chat.thinking_budget is None else "thinking_budget"


def _wish(chat: Chat) -> int | None:
    """In tokens: 0 means none, less than that as the model sees fit, None that nothing was said."""
    if chat.thinking_budget is not None:
        return chat.thinking_budget
    return None if chat.effort is None else BUDGETS[chat.effort]


def _max_tokens(chat: Chat, model: Model, thinking: int) -> int:
    """A bound that the model cannot reach is the same as the highest that its provider takes. Where the caller gave
    none and nothing is known, thinking comes on top of what an answer needs."""
    most = model.max_output_tokens
    if chat.max_tokens is None:
        return most or DEFAULT_MAX_TOKENS + thinking
    return min(chat.max_tokens, most) if most else chat.max_tokens


def _adaptive(chat: Chat, model: Model, wish: int | None, receipt: Receipt) -> ThinkingPlan:
    wants_to_see = chat.summary not in (None, "none")
    if wish is None and not wants_to_see:
        return ThinkingPlan(thinking=None, max_tokens=_max_tokens(chat, model, 0))
    if wish == 0 or _has_begun(chat) or _is_forced(chat):
        if wish != 0:
            receipt.lost(_field(chat), "this provider does not think before a call that is forced or an answer begun")
        return ThinkingPlan(thinking={"type": "disabled"}, max_tokens=_max_tokens(chat, model, 0))
    if wish is None or wish < 0:
        effort = None
    else:
        effort = chat.effort if chat.thinking_budget is None else effort_of(wish)
    return ThinkingPlan(
        thinking={"type": "adaptive"},
        max_tokens=_max_tokens(chat, model, BUDGETS[effort or "high"]),
        effort=effort,
    )


def _budgeted(chat: Chat, model: Model, wish: int | None, receipt: Receipt) -> ThinkingPlan:
    """A budget given as a number is kept where it is legal (1,024 and more, below `max_tokens`). Where `max_tokens` is
    the caller's or the model's most, thinking takes at most three quarters of it; where that is too little to think,
    it is off."""
    if wish is None:
        return ThinkingPlan(thinking=None, max_tokens=_max_tokens(chat, model, 0))
    given = wish >= 0 and chat.thinking_budget is not None
    if wish < 0:
        wish = BUDGETS["medium"]
    off = ThinkingPlan(thinking={"type": "disabled"}, max_tokens=_max_tokens(chat, model, 0))
    if wish == 0:
        return off
    if not _may_think(chat):
        receipt.lost(_field(chat), "this provider does not think in this place of a conversation")
        return off
    budget = max(wish, MIN_BUDGET)
    asked = _max_tokens(chat, model, budget)
    bounded = chat.max_tokens is not None or model.max_output_tokens is not None
    if bounded and (budget >= asked or not given):
        budget = min(budget, asked - asked // 4)
    if budget < MIN_BUDGET:
        receipt.lost(_field(chat), "`max_tokens` leaves too little room to think")
        return off
    if given and budget != wish:
        receipt.emulated("thinking_budget", "the nearest that fits is sent")
    return ThinkingPlan(thinking={"type": "enabled", "budget_tokens": budget}, max_tokens=asked)


def _fitted(plan: ThinkingPlan, chat: Chat, model: Model, receipt: Receipt) -> ThinkingPlan:
    """A model that cannot be kept from thinking is asked for the least; a level that it lacks is the next lower one."""
    effort = plan.effort
    if model.always_thinks and plan.thinking is not None and not plan.enabled:
        if chat.effort != "minimal":
            receipt.lost(_field(chat), "this model always thinks")
        plan = msgspec.structs.replace(plan, thinking=None)
        effort = _LEVELS[0]
    if effort is not None and model.efforts and effort not in model.efforts:
        lower = [level for level in _LEVELS[: _LEVELS.index(effort)] if level in model.efforts]
        effort = lower[-1] if lower else None
    return msgspec.structs.replace(plan, effort=effort)


def _shown(plan: ThinkingPlan, chat: Chat, receipt: Receipt) -> ThinkingPlan:
    if chat.summary is None:
        return plan
    if plan.thinking is None or not plan.enabled:
        if chat.summary != "none" and _wish(chat) is None:
            receipt.lost("summary", "the model is not asked to think")
        return plan
    if chat.summary in ("concise", "detailed"):
        receipt.emulated("summary", "this provider has one length of it")
    display = "omitted" if chat.summary == "none" else "summarized"
    return msgspec.structs.replace(plan, thinking=plan.thinking | {"display": display})


def _has_begun(chat: Chat) -> bool:
    return bool(chat.messages) and chat.messages[-1].role == "assistant"


def _is_forced(chat: Chat) -> bool:
    return bool(chat.tools) and chat.tool_choice is not None and chat.tool_choice.mode in ("required", "named")


def _may_think(chat: Chat) -> bool:
    """Anthropic refuses a budget with a forced tool, with an answer begun for it, and in the middle of a tool loop
    whose last turn does not begin with the thinking that it signed. The last does not concern adaptive thinking."""
    if _is_forced(chat) or _has_begun(chat):
        return False
    for message in reversed(chat.messages):
        if message.role == "assistant":
            thought = message.parts[0] if message.parts else None
            signature = thought.signature if isinstance(thought, Reasoning) else None
            signed = signature is not None and signature.origin == OWN
            return signed or not any(isinstance(part, ToolCall) for part in message.parts)
    return True
