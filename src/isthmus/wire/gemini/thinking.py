"""How much Gemini thinks: Gemini 3 is given a level, 2.5 a number of tokens, and both show summaries where asked to."""

from __future__ import annotations

import re
from typing import Any

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model, Thinking
from isthmus.core.chat.request import Chat, Effort
from isthmus.errors import InvalidRequest
from isthmus.wire.gemini import schema
from isthmus.wire.thinking import BUDGETS, effort_of

_GENERATION = re.compile(r"gemini-(\d{1,2})(?:[.-](\d))?(?![\d])")
_EFFORTS: dict[str, Effort] = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
_LEVELS: dict[Effort, str] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
# https://ai.google.dev/gemini-api/docs/thinking: least (beside 0) and most, of 2.5
_LIMITS = {"pro": (128, 32768), "lite": (512, 24576), "": (1, 24576)}


def is_older(model: Model) -> bool:
    """Before Gemini 3. A name without a number ("gemini-flash-latest") is of today's."""
    found = _GENERATION.search(model.name.lower())
    return "gemma" in model.name.lower() or (found is not None and int(found[1]) < 3)


def thinking_of(model: Model) -> Thinking:
    """What is not known is taken from the name. Gemini 3 takes a budget too, so that a budget does no harm."""
    if model.thinking is not None:
        return model.thinking
    found = _GENERATION.search(model.name.lower())
    if found is None:
        return "none" if "gemma" in model.name.lower() else "budget"
    if int(found[1]) >= 3:
        return "adaptive"
    return "budget" if (found[1], found[2]) == ("2", "5") else "none"


def read_thinking(config: schema.ThinkingConfig | None) -> dict[str, Any]:
    """Fields of a `Chat`. A budget of -1 leaves the amount to the model, as saying nothing does."""
    if config is None:
        return {}
    read: dict[str, Any] = {}
    if config.include_thoughts is not None:
        read["summary"] = "auto" if config.include_thoughts else "none"
    budget, level = config.thinking_budget, (config.thinking_level or "").upper()
    if budget is not None and level:
        at = "generationConfig.thinkingConfig"
        raise InvalidRequest(f"`{at}` may hold thinkingBudget or thinkingLevel, not both.", param=at)
    if budget is not None and budget >= 0:
        read["thinking_budget"] = budget
    elif level and level != "THINKING_LEVEL_UNSPECIFIED":
        if level not in _EFFORTS:
            at = "generationConfig.thinkingConfig.thinkingLevel"
            raise InvalidRequest(f"`{at}` must be one of {', '.join(_EFFORTS)}.", param=at)
        read["effort"] = _EFFORTS[level]
    return read


def written_thinking(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    """`thinkingConfig`, empty where nothing was asked for."""
    kind = thinking_of(model)
    asked = "thinking_budget" if chat.thinking_budget is not None else "effort"
    wished = chat.thinking_budget is not None or chat.effort is not None
    if kind == "none":
        if wished and chat.effort != "none" and chat.thinking_budget != 0:
            receipt.lost(asked, "this model does not think")
        return {}
    written: dict[str, Any] = {}
    if wished:
        written = _level(chat, model, receipt) if kind == "adaptive" else _budget(chat, model, receipt)
    if chat.summary is not None:
        written["includeThoughts"] = chat.summary != "none"
    return written


def _level(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    effort = chat.effort if chat.thinking_budget is None else effort_of(chat.thinking_budget)
    level = _LEVELS[effort or "none"]
    if level == "MINIMAL" and "pro" in model.name.lower():
        level = "LOW"  # Gemini 3 Pro refuses less
    if effort == "none":
        receipt.emulated("effort", "this model always thinks, and thinks its least")
    return {"thinkingLevel": level}


def _budget(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    wish = _share(chat) if chat.thinking_budget is None else chat.thinking_budget
    name = model.name.lower()
    kind = next((kind for kind in ("lite", "pro") if kind in name), "")
    least, most = _LIMITS[kind]
    if wish <= 0 and kind != "pro":
        return {"thinkingBudget": 0}
    if wish <= 0:
        receipt.emulated("effort", "this model always thinks, and thinks its least")
    return {"thinkingBudget": min(max(wish, least), most)}


def _share(chat: Chat) -> int:
    """Of an answer whose length is bounded, thinking takes three quarters at most: the bound holds for both."""
    wish = BUDGETS[chat.effort or "none"]
    return wish if chat.max_tokens is None else min(wish, chat.max_tokens - chat.max_tokens // 4)
