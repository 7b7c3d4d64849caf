"""A `Chat` to a generateContent request for Google (data-plane 16.3). What it cannot carry is noted, never dropped."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.refused import without
from isthmus.core.chat.request import Chat, CustomTool, Image, Text, Tool, ToolResult, VendorTool, WebSearch, Written
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.custom_tools import as_function
from isthmus.wire.gemini.signatures import OWN
from isthmus.wire.gemini.thinking import is_older, written_thinking
from isthmus.wire.gemini.turns import written_messages
from isthmus.wire.instructions import answer_format_in_words

STOP_MAX = 5

_KEPT_BY_ITSELF = "this provider caches prefixes by itself"
_NOTHING_LIKE_IT = "Gemini has nothing like it"
_TIERS = {"flex": "flex", "priority": "priority"}


def write_request(chat: Chat, model: Model) -> Written:
    """Raises `Unsupported`, or `InvalidRequest` where the caller's own objects are nested too deeply to be written."""
    receipt = Receipt()
    chat = without(model.refuses, chat, receipt)
    contents, fetch = written_messages(chat, model, receipt)
    asked: dict[str, Any] = {}
    if instructions := _instructions(chat, model, receipt):
        asked["systemInstruction"] = {"parts": [{"text": text} for text in instructions]}
    asked["contents"] = contents
    asked |= _tools(chat, model, receipt)
    if config := _config(chat, model, receipt):
        asked["generationConfig"] = config
    if chat.service_tier in _TIERS:
        asked["serviceTier"] = _TIERS[chat.service_tier]
    elif chat.service_tier not in (None, "auto", "default"):
        receipt.lost("service_tier", "Gemini has no such tier")
    _note_the_rest(chat, receipt)
    try:
        body = msgspec.json.encode(asked)
    except RecursionError:
        raise InvalidRequest("The request is nested too deeply.") from None
    return Written(body=body, notes=receipt.notes(), fetch=fetch)


def _instructions(chat: Chat, model: Model, receipt: Receipt) -> list[str]:
    """From anywhere in the conversation, in their order: one in the middle loses its place."""
    texts: list[str] = []
    talking = False
    for message in chat.messages:
        if message.role in ("system", "developer"):
            texts += [part.text for part in message.parts if isinstance(part, Text) and part.text]
            if talking:
                receipt.lost("messages.system", "Gemini takes instructions at the top alone")
        else:
            talking = True
    if chat.answer_format is not None and _only_in_words(chat, model):
        texts.append(answer_format_in_words(chat.answer_format))
        receipt.emulated("answer_format", "this model holds to a format beside tools only by being told")
    return texts


def _only_in_words(chat: Chat, model: Model) -> bool:
    """Gemini 2.5 and older refuse functions together with a JSON answer."""
    return is_older(model) and any(isinstance(tool, Tool | CustomTool) for tool in chat.tools)


def _config(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    longest = model.max_output_tokens
    asked = chat.max_tokens
    stated: dict[str, Any] = {
        "maxOutputTokens": asked if asked is None or longest is None else min(asked, longest),
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "topK": chat.top_k,
        "stopSequences": list(chat.stop[:STOP_MAX]) or None,
        "seed": chat.seed,
        "candidateCount": chat.choices if chat.choices > 1 else None,
        "presencePenalty": chat.presence_penalty or None,
        "frequencyPenalty": chat.frequency_penalty or None,
        "responseLogprobs": chat.logprobs or None,
        "logprobs": chat.top_logprobs if chat.logprobs else None,
        "mediaResolution": _resolution(chat, receipt),
        "thinkingConfig": written_thinking(chat, model, receipt) or None,
    }
    if len(chat.stop) > STOP_MAX:
        receipt.lost("stop", f"Gemini takes {STOP_MAX} sequences")
    if chat.answer_format is not None and not _only_in_words(chat, model):
        stated["responseMimeType"] = "application/json"
        stated["responseJsonSchema"] = _answer_schema(chat)
    return {name: value for name, value in stated.items() if value is not None}


def _answer_schema(chat: Chat) -> dict[str, Any] | None:
    wanted = chat.answer_format
    if wanted is None or wanted.schema is None:
        return None
    if wanted.description and "description" not in wanted.schema:
        return {**wanted.schema, "description": wanted.description}
    return wanted.schema


def _resolution(chat: Chat, receipt: Receipt) -> str | None:
    """One for all images of a request."""
    parts = [part for message in chat.messages for part in message.parts]
    parts += [inner for part in parts if isinstance(part, ToolResult) for inner in part.parts]
    details = {part.detail for part in parts if isinstance(part, Image)}
    if len(details) == 1 and (only := details.pop()) in ("low", "high"):
        return f"MEDIA_RESOLUTION_{only.upper()}"
    if details & {"low", "high"}:
        receipt.lost("messages.image.detail", "Gemini takes one resolution for all images")
    return None


# --- tools ----------------------------------------------------------------------------------------------------------


def _tools(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    functions: list[Tool] = []
    tools: list[Any] = []
    searches = False
    for tool in chat.tools:
        if isinstance(tool, Tool):
            functions.append(tool)
        elif isinstance(tool, CustomTool):
            receipt.emulated("tools.custom", "it is a function with one string")
            functions.append(as_function(tool))
        elif isinstance(tool, WebSearch):
            searches = True
        elif tool.definition.origin == OWN:
            tools.append(msgspec.Raw(tool.definition.data.encode()))
        else:
            receipt.lost(f"tools.{tool.type}", "it is another provider's own")
    if searches and functions and is_older(model):
        receipt.lost("tools.web_search", "this model takes no search beside functions")
    elif searches:
        _note_search(chat, receipt)
        tools.insert(0, {"googleSearch": {}})
    config: dict[str, Any] = {}
    if functions and tools and not is_older(model):
        config["includeServerSideToolInvocations"] = True  # Google's condition for both at once
    if functions:
        tools.insert(0, {"functionDeclarations": [_declared(tool) for tool in functions]})
    if choice := _choice(chat, functions, receipt):
        config = {"functionCallingConfig": choice, **config}
    return ({"tools": tools} if tools else {}) | ({"toolConfig": config} if config else {})


def _declared(tool: Tool) -> dict[str, Any]:
    """`parametersJsonSchema`, since `parameters` would lose keywords. Without parameters there is none."""
    written: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.parameters:
        typed = "type" in tool.parameters
        written["parametersJsonSchema"] = tool.parameters if typed else {"type": "object", **tool.parameters}
    return written


def _note_search(chat: Chat, receipt: Receipt) -> None:
    for tool in chat.tools:
        if isinstance(tool, WebSearch):
            for name in ("max_uses", "allowed_domains", "blocked_domains", "location", "context_size"):
                if getattr(tool, name):
                    receipt.lost(f"tools.web_search.{name}", "Google's search has no such setting")


def _choice(chat: Chat, functions: list[Tool], receipt: Receipt) -> dict[str, Any]:
    """VALIDATED is AUTO with arguments that hold to their schema, and the only one of the two that takes names."""
    choice = chat.tool_choice
    names = {tool.name for tool in functions}
    strict = any(tool.strict for tool in functions)
    if chat.parallel_tool_calls is False and chat.tools:
        receipt.lost("parallel_tool_calls", "Gemini may call several tools at once")
    validated = strict or (choice is not None and bool(choice.allowed))
    if validated and not all(tool.strict for tool in functions) and (choice is None or choice.mode == "auto"):
        receipt.emulated("tools.strict", "it holds for all tools")
    if choice is None:
        return {"mode": "VALIDATED"} if strict else {}
    if choice.mode == "none":
        return {"mode": "NONE"} if chat.tools else {}
    wanted = [choice.name] if choice.name is not None else list(choice.allowed)
    allowed = [name for name in wanted if name in names]
    if choice.mode == "auto":
        if len(allowed) < len(wanted):
            receipt.lost("tool_choice", "Gemini narrows its choice to functions alone")
        if not functions:
            return {}
        mode = "VALIDATED" if strict or allowed else "AUTO"
        return {"mode": mode} | ({"allowedFunctionNames": allowed} if allowed else {})
    if not functions or (wanted and not allowed):
        raise Unsupported("`tool_choice`: Gemini can be made to call functions alone.", param="tool_choice")
    if len(allowed) < len(wanted):
        receipt.lost("tool_choice", "Gemini narrows its choice to functions alone")
    return {"mode": "ANY"} | ({"allowedFunctionNames": allowed} if allowed else {})


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


def _has_cache_marks(chat: Chat) -> bool:
    if chat.cache is not None:
        return True
    for message in chat.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else ()
            if any(getattr(marked, "cache", None) is not None for marked in (part, *inner)):
                return True
    return any(not isinstance(tool, CustomTool | VendorTool) and tool.cache is not None for tool in chat.tools)
