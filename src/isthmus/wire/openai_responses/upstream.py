"""A `Chat` to a Responses request for OpenAI (data-plane 16.4): its fields. The conversation is written in `turns`, the
tools in `tools`. What it cannot carry is noted, never dropped."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import CacheMark, Chat, Effort, Message, Reasoning, Written
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.openai_responses.request import ENCRYPTED, LOGPROBS
from isthmus.wire.openai_responses.tools import max_tool_calls, written_choice, written_tools
from isthmus.wire.openai_responses.turns import TurnsWriting
from isthmus.wire.strict_schemas import strict_where_openai_is
from isthmus.wire.thinking import effort_of

MIN_OUTPUT_TOKENS = 16
METADATA_MAX_PAIRS = 16
METADATA_KEY_MAX_CHARS = 64
METADATA_VALUE_MAX_CHARS = 512

_LOST = ("top_k", "stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias")
_DEFAULTS = {
    field.name: field.default for field in msgspec.structs.fields(Chat) if field.default is not msgspec.NODEFAULT
}


def write_request(chat: Chat, model: Model) -> Written:
    """Instructions stay items among the others, in their order. Nothing is kept at OpenAI (`store` false), which is why
    its thinking is asked for in the form that can be sent again. Raises `Unsupported`."""
    receipt = Receipt()
    chat = strict_where_openai_is(_accepted(chat, model, receipt), receipt)
    if chat.choices > 1:
        raise Unsupported("This provider gives one answer to a call.", param="choices")
    for name in _LOST:
        if getattr(chat, name) or (name == "seed" and chat.seed is not None):
            receipt.lost(name, "this provider's Responses API has no such parameter")
    if _has_cache_marks(chat):
        receipt.emulated("cache_control", "this provider caches prefixes by itself")
    asked: dict[str, Any] = {
        "model": model.name,
        "input": TurnsWriting(model, receipt).items(chat.messages),
        "store": False,
        "stream": chat.stream,
    }
    asked |= (
        _limits(chat, model, receipt) | _tools(chat, receipt) | _thinking(chat, model, receipt) | _rest(chat, receipt)
    )
    try:
        return Written(body=msgspec.json.encode(asked), notes=receipt.notes())
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def text_format(chat: Chat) -> dict[str, Any]:
    wish = chat.answer_format
    if wish is None:
        return {"type": "text"}
    if wish.schema is None:
        return {"type": "json_object"}
    written: dict[str, Any] = {"type": "json_schema", "name": wish.name, "schema": wish.schema}
    if wish.description is not None:
        written["description"] = wish.description
    written["strict"] = bool(wish.strict)
    return written


def _accepted(chat: Chat, model: Model, receipt: Receipt) -> Chat:
    """The request without what this model answers with an error."""
    refused: dict[str, Any] = {}
    for name in sorted(model.refuses):
        if name in _DEFAULTS and getattr(chat, name) != _DEFAULTS[name]:
            refused[name] = _DEFAULTS[name]
            receipt.lost(name, "this model refuses it")
    return msgspec.structs.replace(chat, **refused) if refused else chat


def _has_cache_marks(chat: Chat) -> bool:
    return chat.cache is not None or any(map(_mark, chat.tools)) or any(map(_is_marked, chat.messages))


def _is_marked(message: Message) -> bool:
    return any(map(_mark, message.parts))


def _mark(thing: object) -> CacheMark | None:
    return getattr(thing, "cache", None)


def _limits(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    tokens = chat.max_tokens
    if tokens is not None and model.max_output_tokens is not None:
        tokens = min(tokens, model.max_output_tokens)
    if tokens is not None and tokens < MIN_OUTPUT_TOKENS:
        tokens = MIN_OUTPUT_TOKENS
        receipt.lost("max_tokens", f"this provider's least is {MIN_OUTPUT_TOKENS}")
    return _stated({"max_output_tokens": tokens, "temperature": chat.temperature, "top_p": chat.top_p})


def _tools(chat: Chat, receipt: Receipt) -> dict[str, Any]:
    tools = written_tools(chat, receipt)
    choice = None if chat.tool_choice is None or not chat.tools else written_choice(chat)
    if not tools:
        if choice == "required":
            raise Unsupported("This provider has none of the tools of which one must be used.", param="tool_choice")
        return {}
    written: dict[str, Any] = {"tools": tools}
    if choice is not None:
        written["tool_choice"] = choice
    if chat.parallel_tool_calls is not None:
        written["parallel_tool_calls"] = chat.parallel_tool_calls
    limit = max_tool_calls(chat, receipt)
    if limit is not None:
        written["max_tool_calls"] = limit
    return written


def _thinking(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    include = [LOGPROBS] if chat.logprobs else []
    thinks = model.thinking != "none"
    # Of a model of which nothing is known only they ask who want it to think: one that does not would refuse the call.
    if thinks and (model.thinking is not None or _wants_thinking(chat)):
        include.append(ENCRYPTED)
    written: dict[str, Any] = {"include": include} if include else {}
    effort = _effort(chat, receipt)
    wanted = {"effort": effort, "summary": None if chat.summary == "none" else chat.summary}
    if not thinks:
        if effort not in (None, "none", "minimal"):
            receipt.lost("effort" if chat.effort else "thinking_budget", "this model does not think")
        return written
    reasoning = _stated(wanted)
    return written | {"reasoning": reasoning} if reasoning else written


def _wants_thinking(chat: Chat) -> bool:
    if chat.keep_reasoning or chat.effort not in (None, "none", "minimal") or chat.thinking_budget:
        return True
    return any(isinstance(part, Reasoning) for message in chat.messages for part in message.parts)


def _effort(chat: Chat, receipt: Receipt) -> Effort | None:
    if chat.effort == "max":
        receipt.emulated("effort", "the highest that every model here knows is xhigh")
        return "xhigh"
    if chat.effort is None and chat.thinking_budget is not None and chat.thinking_budget >= 0:
        return effort_of(chat.thinking_budget)
    return chat.effort


def _rest(chat: Chat, receipt: Receipt) -> dict[str, Any]:
    text: dict[str, Any] = {}
    if chat.answer_format is not None:
        text["format"] = text_format(chat)
    if chat.verbosity is not None:
        text["verbosity"] = chat.verbosity
    return _stated(
        {
            "text": text or None,
            "top_logprobs": chat.top_logprobs,
            "prompt_cache_key": chat.cache_key,
            "prompt_cache_retention": chat.cache_retention,
            "service_tier": chat.service_tier,
            "metadata": _metadata(chat, receipt),
            "user": chat.user or None,
        }
    )


def _metadata(chat: Chat, receipt: Receipt) -> dict[str, str] | None:
    given = chat.metadata or {}
    fits = len(given) <= METADATA_MAX_PAIRS and all(
        len(key) <= METADATA_KEY_MAX_CHARS and len(value) <= METADATA_VALUE_MAX_CHARS for key, value in given.items()
    )
    if not fits:
        receipt.lost("metadata", "it is more or longer than this provider takes")
    return given if given and fits else None


def _stated(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
