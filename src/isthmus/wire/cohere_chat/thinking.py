"""How much a model thinks: Cohere turns it on and off, and bounds it in tokens.
https://docs.cohere.com/docs/reasoning"""

from __future__ import annotations

import re
from typing import Any

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat
from isthmus.wire.cohere_chat import schema
from isthmus.wire.thinking import BUDGETS

# The models that do not think; they refuse to be asked. All that came later are taken to think.
_PLAIN = re.compile(r"(command(-light|-nightly)?\Z|command-(r\b|r7b|a-(03|vision|translate))|c4ai-|aya)", re.IGNORECASE)
_LEAST = 1


def thinks(model: Model) -> bool:
    """What is not known is taken from the name."""
    return model.thinking != "none" if model.thinking is not None else _PLAIN.match(model.name) is None


def read_thinking(given: schema.Thinking | None) -> dict[str, Any]:
    """Fields of a `Chat`. Thinking that has no bound is the model's own choice."""
    if given is None:
        return {}
    if given.type == "disabled":
        return {"effort": "none"}
    return {"thinking_budget": -1 if given.token_budget is None else given.token_budget}


def written_thinking(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any] | None:
    """None where nothing is to be said. Cohere's models think unless they are told not to."""
    if chat.summary not in (None, "none"):
        if thinks(model):
            receipt.emulated("summary", "Cohere shows its thinking unasked")
        else:
            receipt.lost("summary", "this model does not think")
    budget = chat.thinking_budget
    if budget is None and chat.effort is None:
        return None
    wish = _share(chat) if budget is None else budget
    if not thinks(model):
        if wish != 0:
            receipt.lost("effort" if budget is None else "thinking_budget", "this model does not think")
        return None
    if wish < 0:
        return {"type": "enabled"}
    if wish == 0 and model.always_thinks:
        receipt.emulated("effort" if budget is None else "thinking_budget", "this model thinks its least")
        return {"type": "enabled", "token_budget": _LEAST}
    return {"type": "enabled", "token_budget": wish} if wish else {"type": "disabled"}


def _share(chat: Chat) -> int:
    """Of an answer whose length is bounded, thinking takes three quarters at most: the bound holds for both."""
    wish = BUDGETS[chat.effort or "none"]
    return wish if chat.max_tokens is None else min(wish, chat.max_tokens - chat.max_tokens // 4)
