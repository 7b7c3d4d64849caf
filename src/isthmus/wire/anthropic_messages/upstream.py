"""A `Chat` to a Messages request for Anthropic (data-plane 16.1). What it cannot carry is noted, never dropped."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.refused import without
from isthmus.core.chat.request import Chat, Text, Written
from isthmus.errors import Unsupported
from isthmus.wire.anthropic_messages.blocks import written_text, written_turns
from isthmus.wire.anthropic_messages.parts.caching import bound_marks, written_mark
from isthmus.wire.anthropic_messages.parts.tools import written_tools
from isthmus.wire.anthropic_messages.thinking import ThinkingPlan, plan_thinking
from isthmus.wire.instructions import answer_format_in_words
from isthmus.wire.strict_schemas import closed

USER_ID_MAX_CHARS = 512
TOP_P_MIN_THINKING = 0.95

_TIERS = {"auto": "auto", "default": "standard_only"}
_LACKING = (
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "verbosity",
    "metadata",
)
_IDLE: dict[str, Any] = {"frequency_penalty": 0, "presence_penalty": 0, "top_logprobs": 0, "verbosity": "medium"}


def write_request(chat: Chat, model: Model) -> Written:
    """Raises `Unsupported`."""
    receipt = Receipt()
    if chat.choices > 1:
        raise Unsupported("This model gives one answer a request.", param="choices")
    chat = without(model.refuses, chat, receipt)
    plan = plan_thinking(chat, model, receipt)
    if plan.enabled or model.always_thinks:
        chat = without(model.refuses_thinking, chat, receipt, "this model refuses it while it thinks")
    offered, words = written_tools(chat, model, receipt)
    asked: dict[str, Any] = {"model": model.name, "max_tokens": plan.max_tokens}
    if system := _system(chat, words, receipt):
        asked["system"] = system
    asked["messages"] = written_turns(chat.messages, receipt)
    if plan.thinking is not None:
        asked["thinking"] = plan.thinking
    asked |= _sampling(chat, plan, receipt) | offered | _output(chat, plan, receipt)
    asked |= _rest(chat, receipt)
    if chat.stream:
        asked["stream"] = True
    bound_marks(asked, receipt)
    return Written(body=msgspec.json.encode(asked), notes=receipt.notes())


def _system(chat: Chat, words: tuple[str, ...], receipt: Receipt) -> str | list[dict[str, Any]]:
    """Instructions from anywhere in the conversation, in their order: one in the middle loses its place. Then `words`,
    our own. They are one text where no part of them bears a mark."""
    texts: list[Text] = []
    talking = False
    for message in chat.messages:
        if message.role in ("system", "developer"):
            texts += [part for part in message.parts if isinstance(part, Text) and part.text]
            if talking:
                receipt.lost("messages.system", "it stands before the conversation, not where it was said")
        else:
            talking = True
    if chat.answer_format is not None and chat.answer_format.schema is None:
        texts.append(Text(text=answer_format_in_words(chat.answer_format)))
        receipt.emulated("answer_format", "it is asked for in words")
    texts += [Text(text=text) for text in words]
    if any(text.cache is not None for text in texts):
        return [block for text in texts for block in written_text(text, receipt)]
    return "\n\n".join(text.text for text in texts)


def _sampling(chat: Chat, plan: ThinkingPlan, receipt: Receipt) -> dict[str, Any]:
    """Newer models refuse `temperature` and `top_p` together, so that 1, the default of both, is left out where it
    says nothing. While it thinks, Claude takes no other temperature, no `top_k` and no low `top_p`."""
    temperature, top_p, top_k = chat.temperature, chat.top_p, chat.top_k
    if temperature is not None and temperature > 1:
        temperature = 1.0
        receipt.emulated("temperature", "1 is the highest that this provider takes")
    if top_p == 1:
        top_p = None
    if temperature == 1 and top_p is not None:
        temperature = None
    if plan.enabled:
        why = "this provider does not take it while the model thinks"
        if temperature is not None and temperature != 1:
            temperature = None
            receipt.lost("temperature", why)
        if top_p is not None and top_p < TOP_P_MIN_THINKING:
            top_p = None
            receipt.lost("top_p", why)
        if top_k is not None:
            top_k = None
            receipt.lost("top_k", why)
    stated = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
    return {name: value for name, value in stated.items() if value is not None}


def _output(chat: Chat, plan: ThinkingPlan, receipt: Receipt) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if plan.effort is not None:
        config["effort"] = plan.effort
    wanted = chat.answer_format
    if wanted is not None and wanted.schema is not None:
        schema = closed(wanted.schema)
        if schema != wanted.schema:
            receipt.emulated("answer_format", "every object in its schema is closed")
        config["format"] = {"type": "json_schema", "schema": schema}
        if wanted.description:
            receipt.lost("answer_format.description", "this provider takes the schema alone")
    return {"output_config": config} if config else {}


def _rest(chat: Chat, receipt: Receipt) -> dict[str, Any]:
    written: dict[str, Any] = {}
    # Anthropic refuses sequences of nothing but white space.
    stop = [sequence for sequence in chat.stop if sequence.strip()]
    if stop:
        written["stop_sequences"] = stop
    if len(stop) < len(chat.stop):
        receipt.lost("stop", "this provider takes no white space as a stop sequence")
    if chat.user and len(chat.user) <= USER_ID_MAX_CHARS:
        written["metadata"] = {"user_id": chat.user}
    elif chat.user:
        receipt.lost("user", f"this provider takes {USER_ID_MAX_CHARS} characters")
    if chat.service_tier in _TIERS:
        written["service_tier"] = _TIERS[chat.service_tier]
    elif chat.service_tier:
        receipt.lost("service_tier", "this provider has no such tier")
    if chat.cache is not None:
        written["cache_control"] = written_mark(chat.cache)
    for name in _LACKING:
        value = getattr(chat, name)
        if value not in (None, False, {}, _IDLE.get(name)) or (name == "seed" and value == 0):
            receipt.lost(name, "this provider has no such field")
    for name in ("cache_key", "cache_retention"):
        if getattr(chat, name):
            receipt.lost(name, "this provider caches what is marked")
    return written
