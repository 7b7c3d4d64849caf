"""A `Chat` to a Chat request for Cohere (https://docs.cohere.com/reference/chat). What it cannot carry is noted, never
dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.refused import without
from isthmus.core.chat.request import AnswerFormat, Chat, CustomTool, Text, Tool, ToolResult, VendorTool, Written
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.cohere_chat.thinking import written_thinking
from isthmus.wire.cohere_chat.turns import Turns
from isthmus.wire.custom_tools import as_function
from isthmus.wire.instructions import JSON_OBJECT, answer_format_in_words

STOP_MAX = 5
K_MAX = 500
P_LEAST, P_MOST = 0.01, 0.99
_SEEDS = 2**63

_KEPT_BY_ITSELF = "this provider caches prefixes by itself"
_NOTHING_LIKE_IT = "Cohere has nothing like it"
# `tool_choice` came with Command R7B: https://docs.cohere.com/reference/chat
_UNFORCED = re.compile(r"command-r(-|\Z)", re.IGNORECASE)


def write_request(chat: Chat, model: Model) -> Written:
    """Raises `Unsupported`, or `InvalidRequest` where the caller's own objects are nested too deeply to be written."""
    if chat.choices > 1:
        raise Unsupported("This provider gives one answer to a call.", param="choices")
    receipt = Receipt()
    chat = without(model.refuses, chat, receipt)
    turns = Turns(model, receipt)
    messages = turns.written(chat.messages)
    if not messages:
        raise InvalidRequest("`messages` says nothing: Cohere wants a message with content.", param="messages")
    tools = _tools(chat, model, receipt)
    asked: dict[str, Any] = {"model": model.name, "messages": messages, **tools}
    if turns.documents:
        asked["documents"] = turns.documents
        if not turns.cites:
            asked["citation_options"] = {"mode": "OFF"}
    if chat.answer_format is not None:
        enforced, words = _format(chat, chat.answer_format, bool(tools or turns.documents), receipt)
        asked |= enforced
        if words:
            asked["messages"] = [{"role": "system", "content": words}, *messages]
    asked |= _parameters(chat, model, receipt)
    if chat.stream:
        asked["stream"] = True
    _note_the_rest(chat, receipt)
    try:
        body = msgspec.json.encode(asked)
    except RecursionError:
        raise InvalidRequest("The request is nested too deeply.") from None
    return Written(body=body, notes=receipt.notes(), fetch=tuple(turns.fetch))


# --- parameters -----------------------------------------------------------------------------------------------------


def _parameters(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    longest = model.max_output_tokens
    stops = [stop for stop in chat.stop if stop]
    if len(stops) > STOP_MAX:
        receipt.lost("stop", f"Cohere takes {STOP_MAX} sequences")
    if chat.logprobs and chat.top_logprobs:
        receipt.lost("top_logprobs", "Cohere tells of the chosen tokens alone")
    stated: dict[str, Any] = {
        "max_tokens": chat.max_tokens if longest is None or chat.max_tokens is None else min(chat.max_tokens, longest),
        "stop_sequences": stops[:STOP_MAX] or None,
        "temperature": _bounded("temperature", chat.temperature, (0, 1), receipt),
        "p": _bounded("top_p", chat.top_p, (P_LEAST, P_MOST), receipt),
        "k": _bounded("top_k", chat.top_k, (0, K_MAX), receipt),
        "seed": _seed(chat, receipt),
        "frequency_penalty": _penalty("frequency_penalty", chat.frequency_penalty, receipt),
        "presence_penalty": _penalty("presence_penalty", chat.presence_penalty, receipt),
        "logprobs": chat.logprobs or None,
        "thinking": written_thinking(chat, model, receipt),
    }
    return {name: value for name, value in stated.items() if value is not None}


def _bounded(name: str, value: float | None, bounds: tuple[float, float], receipt: Receipt) -> float | None:
    least, most = bounds
    if value is not None and value > most:
        receipt.emulated(name, f"{most} is the highest that this provider takes")
        return most
    if value is not None and value < least:
        receipt.emulated(name, f"{least} is the lowest that this provider takes")
        return least
    return value


def _penalty(name: str, value: float | None, receipt: Receipt) -> float | None:
    """Below 0 it would ask for the reverse."""
    if value is not None and value < 0:
        receipt.lost(name, "Cohere takes penalties from 0 to 1")
        return None
    return _bounded(name, value, (0, 1), receipt) or None


def _seed(chat: Chat, receipt: Receipt) -> int | None:
    if chat.seed is None or 0 <= chat.seed < _SEEDS:
        return chat.seed
    receipt.emulated("seed", "Cohere takes none below 0 or over 63 bits, and is given one made of it")
    return chat.seed % _SEEDS


# --- the form of the answer -----------------------------------------------------------------------------------------


def _format(chat: Chat, wanted: AnswerFormat, beside: bool, receipt: Receipt) -> tuple[dict[str, Any], str]:
    """What holds the model to the form, and what must be told in words: all of it beside tools and documents, where
    Cohere takes no form; and that there is one, since models that are not told to write JSON may not come to an end."""
    if beside:
        receipt.emulated("answer_format", "Cohere takes none beside tools and documents, and is told in words")
        return {}, answer_format_in_words(wanted)
    schema = wanted.schema
    if schema is not None and not _takes(schema):
        receipt.emulated("answer_format", "Cohere takes no such schema, and is told of it in words")
        return {"response_format": {"type": "json_object"}}, answer_format_in_words(wanted)
    form: dict[str, Any] = {"type": "json_object"}
    if schema is not None:
        described = wanted.description and "description" not in schema
        form["json_schema"] = {**schema, "description": wanted.description} if described else schema
    if any("json" in text.lower() for text in _texts(chat)):
        return {"response_format": form}, ""
    receipt.emulated("answer_format", "Cohere wants it said in words too")
    return {"response_format": form}, JSON_OBJECT


def _takes(schema: dict[str, Any]) -> bool:
    """Cohere wants an object at the top, and of each object a field that is required.
    https://docs.cohere.com/docs/structured-outputs"""
    if schema.get("type") != "object":
        return False
    left: list[Any] = [schema]
    while left:
        part = left.pop()
        if not isinstance(part, dict):
            continue
        if part.get("type") == "object" and not part.get("required"):
            return False
        for name in ("properties", "$defs", "definitions"):
            inner = part.get(name)
            left += inner.values() if isinstance(inner, dict) else ()
        choices = part.get("anyOf")
        left += choices if isinstance(choices, list) else ()
        left.append(part.get("items"))
    return True


def _texts(chat: Chat) -> Iterator[str]:
    return (part.text for message in chat.messages for part in message.parts if isinstance(part, Text))


# --- tools ----------------------------------------------------------------------------------------------------------


def _tools(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    """The fields `tools`, `strict_tools` and `tool_choice`. Raises `Unsupported` for a choice that insists on what is
    not there."""
    tools = _functions(chat, receipt)
    choice = chat.tool_choice
    forces = model.forces_tools and _UNFORCED.match(model.name) is None
    if choice is not None and choice.mode == "none" and not forces and tools:
        receipt.emulated("tool_choice", "this model is not shown the tools")
        return {}
    if choice is not None and (choice.name is not None or choice.allowed):
        wanted = (choice.name,) if choice.name is not None else choice.allowed
        narrowed = [tool for tool in tools if tool.name in wanted]
        if len(narrowed) < len(tools):
            receipt.emulated("tool_choice", "only the tools of the choice are sent")
        if len(narrowed) < len(wanted) and choice.mode == "auto":
            receipt.lost("tool_choice", "Cohere has functions alone")
        tools = narrowed
    if choice is not None and choice.mode in ("required", "named") and not tools:
        raise Unsupported("`tool_choice` insists on a tool that this provider does not have.", param="tool_choice")
    if not tools:
        return {}
    if chat.parallel_tool_calls is False:
        receipt.lost("parallel_tool_calls", "Cohere may call several tools at once")
    written: dict[str, Any] = {"tools": [_written(tool) for tool in tools], **_strict(tools, receipt)}
    if choice is None or choice.mode == "auto":
        return written
    if not forces:
        receipt.lost("tool_choice", "this model cannot be made to call a tool")
        return written
    return written | {"tool_choice": "NONE" if choice.mode == "none" else "REQUIRED"}


def _functions(chat: Chat, receipt: Receipt) -> list[Tool]:
    functions: list[Tool] = []
    for tool in chat.tools:
        if isinstance(tool, Tool):
            functions.append(tool)
        elif isinstance(tool, CustomTool):
            receipt.emulated("tools.custom", "it is a function with one string")
            functions.append(as_function(tool))
        elif isinstance(tool, VendorTool):
            receipt.lost(f"tools.{tool.type}", "it is another provider's own")
        else:
            receipt.lost("tools.web_search", "Cohere has no search of its own")
    return functions


def _written(tool: Tool) -> dict[str, Any]:
    """Cohere wants parameters, and an object."""
    if not tool.parameters:
        parameters: dict[str, Any] = {"type": "object", "properties": {}}
    else:
        parameters = tool.parameters if "type" in tool.parameters else {"type": "object", **tool.parameters}
    function: dict[str, Any] = {"name": tool.name, "parameters": parameters}
    if tool.description is not None:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _strict(tools: list[Tool], receipt: Receipt) -> dict[str, bool]:
    """One word for all tools. Cohere refuses it where a tool requires none of its parameters."""
    wishes = {tool.strict for tool in tools}
    if True not in wishes:
        return {"strict_tools": False} if False in wishes else {}
    if not all(tool.parameters.get("required") for tool in tools):
        receipt.lost("tools.strict", "Cohere takes it only where each tool requires a parameter")
        return {}
    if len(wishes) > 1:
        receipt.emulated("tools.strict", "it holds for all tools")
    return {"strict_tools": True}


# --- the rest -------------------------------------------------------------------------------------------------------


def _note_the_rest(chat: Chat, receipt: Receipt) -> None:
    if _has_cache_marks(chat):
        receipt.emulated("cache_control", _KEPT_BY_ITSELF)
    for name in ("cache_key", "cache_retention"):
        if getattr(chat, name):
            receipt.emulated(name, _KEPT_BY_ITSELF)
    for name in ("logit_bias", "verbosity", "metadata", "user"):
        if getattr(chat, name):
            receipt.lost(name, _NOTHING_LIKE_IT)
    if chat.service_tier not in (None, "auto", "default"):
        receipt.lost("service_tier", "Cohere has no tiers")


def _has_cache_marks(chat: Chat) -> bool:
    parts = [part for message in chat.messages for part in message.parts]
    inner = [part for result in parts if isinstance(result, ToolResult) for part in result.parts]
    marked = (chat, *parts, *inner, *chat.tools)
    return any(getattr(one, "cache", None) is not None for one in marked)
