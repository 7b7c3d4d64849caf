"""`Chat` to a Chat Completions request for OpenAI or a compatible provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import AnswerFormat, Chat, Text, ToolCall, ToolResult, Written
from isthmus.errors import Unsupported
from isthmus.wire.instructions import JSON_OBJECT, answer_format_in_words
from isthmus.wire.openai_chat.messages import write_messages
from isthmus.wire.openai_chat.messages.write import write_mark
from isthmus.wire.openai_chat.options import NEW_NAME, OPENAI_REASONING, Options
from isthmus.wire.openai_chat.tools import write_tools
from isthmus.wire.strict_schemas import strict_where_openai_is
from isthmus.wire.thinking import effort_of

# Names of `Chat`, and what Chat Completions call them. What asks for nothing is no loss where it is left out.
_FIELDS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "logit_bias": "logit_bias",
    "choices": "n",
    "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
    "verbosity": "verbosity",
    "cache_key": "prompt_cache_key",
    "cache_retention": "prompt_cache_retention",
    "service_tier": "service_tier",
    "metadata": "metadata",
    "user": "user",
}
_ASKS_NOTHING: dict[str, tuple[Any, ...]] = {
    "stop": ((),),
    "choices": (1,),
    "logprobs": (False,),
    "verbosity": ("medium",),
    "service_tier": ("auto",),
}
_WHY_REFUSED = "this model refuses it"
_WHY_LACKED = "this provider has no field for it"


def write_request(chat: Chat, model: Model, options: Options) -> Written:
    """Raises `Unsupported` where a loss would change what the answer means."""
    receipt = Receipt()
    if chat.choices > 1 and "choices" in model.refuses | options.lacks:
        raise Unsupported("`choices` must be 1: this model gives one answer a request.", param="choices")
    chat = strict_where_openai_is(chat, receipt)
    turns = write_messages(chat.messages, options, model, receipt)
    body: dict[str, Any] = {"model": model.name, "messages": turns.messages}
    body |= _parameters(chat, model, options, receipt)
    body |= write_tools(chat.tools, chat.tool_choice, options, receipt)
    if chat.parallel_tool_calls is not None and "tools" in body and _may(chat, "parallel_tool_calls", model, receipt):
        body["parallel_tool_calls"] = chat.parallel_tool_calls
    if chat.answer_format is not None:
        body |= _answer_format(chat.answer_format, model, options, receipt)
        said = _said_of_format(chat, chat.answer_format, body, receipt)
        body["messages"] = [{"role": "system", "content": said}, *turns.messages] if said else turns.messages
    if chat.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True} if options.asks_usage else None
    _write_marks(chat, options, body, receipt)
    present = {name: value for name, value in body.items() if value is not None}
    return Written(body=msgspec.json.encode(present), notes=receipt.notes(), fetch=turns.fetch)


def _parameters(chat: Chat, model: Model, options: Options, receipt: Receipt) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if chat.max_tokens is not None and _may(chat, "max_tokens", model, receipt):
        renamed = OPENAI_REASONING.search(model.name) is not None
        longest = model.max_output_tokens
        tokens = chat.max_tokens if longest is None else min(chat.max_tokens, longest)
        fields[NEW_NAME if renamed else options.max_tokens_field] = tokens
    for name, spelling in _FIELDS.items():
        value = getattr(chat, name)
        if value is None or value in _ASKS_NOTHING.get(name, ()):
            continue
        if name in options.lacks:
            receipt.lost(name, _WHY_LACKED)
        elif _may(chat, name, model, receipt):
            fields[spelling] = value
    if "stop" in fields and options.stop_max is not None and len(chat.stop) > options.stop_max:
        fields["stop"] = chat.stop[: options.stop_max]
        receipt.lost("stop", f"only {options.stop_max} stop sequences are taken")
    if "logprobs" not in fields:
        fields.pop("top_logprobs", None)
    effort = _effort(chat, model, options, receipt)
    if effort is not None:
        fields["reasoning_effort"] = effort
    if chat.summary not in (None, "none"):
        if "summary" in options.lacks:
            receipt.lost("summary", "this provider does not show its thinking here")
        else:
            receipt.emulated("summary", "this provider shows its thinking unasked, where it does")
    return fields


def _may(chat: Chat, name: str, model: Model, receipt: Receipt) -> bool:
    if name not in model.refuses:
        return True
    receipt.lost(name, _WHY_REFUSED)
    return False


def _effort(chat: Chat, model: Model, options: Options, receipt: Receipt) -> str | None:
    """Effort, or a budget as the effort whose share it is: two spellings of one wish."""
    budget = chat.thinking_budget
    if chat.effort is not None:
        name, effort = "effort", chat.effort
    elif budget is not None and budget >= 0:
        name, effort = "thinking_budget", effort_of(budget)
    else:
        return None  # a budget below zero is the model's own choice
    if "effort" in options.lacks:
        if effort != "none":
            receipt.lost(name, _WHY_LACKED)
        return None
    if model.thinking == "none" or "effort" in model.refuses:
        if effort != "none":
            receipt.lost(name, "this model does not think" if model.thinking == "none" else _WHY_REFUSED)
        return None
    return "xhigh" if effort == "max" else effort


def _answer_format(wanted: AnswerFormat, model: Model, options: Options, receipt: Receipt) -> dict[str, Any]:
    if "answer_format" in model.refuses:
        receipt.emulated("answer_format", "this model is told so in words")
        return {}
    if wanted.schema is not None and "answer_format.schema" in options.lacks:
        receipt.emulated("answer_format", "this provider is told the schema in words")
        return {"response_format": {"type": "json_object"}}
    return {"response_format": _write_format(wanted)}


def _said_of_format(chat: Chat, wanted: AnswerFormat, body: dict[str, Any], receipt: Receipt) -> str | None:
    """What the field does not say. OpenAI and others refuse `json_object` where no message speaks of JSON."""
    field = body.get("response_format")
    if field is None or (field["type"] == "json_object" and wanted.schema is not None):
        return answer_format_in_words(wanted)
    if field["type"] != "json_object" or any("json" in text.lower() for text in _texts(chat)):
        return None
    receipt.emulated("answer_format", "this provider wants it said in words too")
    return JSON_OBJECT


def _write_format(wanted: AnswerFormat) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    named: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
    if wanted.strict is not None:
        named["strict"] = wanted.strict
    if wanted.description is not None:
        named["description"] = wanted.description
    return {"type": "json_schema", "json_schema": named}


def _texts(chat: Chat) -> Iterator[str]:
    return (part.text for message in chat.messages for part in message.parts if isinstance(part, Text))


def _write_marks(chat: Chat, options: Options, body: dict[str, Any], receipt: Receipt) -> None:
    """`write_messages` has written those of content parts, where they are taken."""
    parts = [part for message in chat.messages for part in message.parts]
    inner = [part for result in parts if isinstance(result, ToolResult) for part in result.parts]
    if not options.cache_control:
        if chat.cache is not None or any(getattr(item, "cache", None) for item in (*parts, *inner, *chat.tools)):
            receipt.emulated("cache_control", "this provider caches prefixes by itself")
        return
    if chat.cache is not None:
        body["cache_control"] = write_mark(chat.cache)
    if any(getattr(tool, "cache", None) for tool in chat.tools):
        receipt.lost("tools.cache_control", "marks are taken in the content of messages only")
    if any(isinstance(part, ToolCall) and part.cache for part in parts):
        receipt.lost("messages.tool_calls.cache_control", "marks are taken in the content of messages only")
