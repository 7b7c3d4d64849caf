"""What a request means, apart from its form: what has to be the same on both sides of a translation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.request import (
    Chat,
    CustomTool,
    HostedToolUse,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    VendorTool,
    WebSearch,
)
from isthmus.wire.thinking import effort_of

Meaning = dict[str, Any]

PLAIN = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "choices",
    "logprobs",
    "top_logprobs",
    "verbosity",
    "cache_key",
    "cache_retention",
    "service_tier",
    "metadata",
    "user",
    "stream",
)
# What a note says of a request, beside the field of its own name: these may differ.
TOUCHED: dict[str, tuple[str, ...]] = {
    "thinking_budget": ("effort",),
    "cache_control": ("cache",),
    "tools.cache_control": ("cache",),
    "messages": ("roles", "said"),
    "messages.system": ("roles",),
    "messages.refusal": ("refused", "said"),
    "messages.tool_result": ("roles", "media", "said"),
    "messages.tool_result.is_error": ("failed", "results"),
    "messages.document": ("media", "said", "roles"),
    "messages.document.context": ("said",),
    "messages.document.name": ("said", "names of media"),
    "messages.tool_calls": ("calls",),
    "messages.tool_calls.name": ("calls",),
    "messages.image.detail": ("details",),
    "messages.hosted_tool_use": ("hosted", "roles"),
    "messages.reasoning": ("call signatures", "roles"),
    "tools.custom": ("calls", "custom", "custom tools", "functions"),
    "logprobs": ("top_logprobs",),
    "tools.strict": ("strict", "functions"),
    "tools.web_search": ("search",),
    "tool_choice": ("functions", "custom tools", "search", "vendor tools", "strict", "said", "roles"),
    "tool_choice.allowed": ("functions", "custom tools", "strict", "search", "vendor tools"),
    "answer_format": ("said", "roles"),
    "parallel_tool_calls": ("said", "roles"),
    "tools": ("functions", "tool_choice"),
}


# A wish for what holds anyway is none.
USUAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "top_p": (1,),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "service_tier": ("auto", "default"),
}


KINDS = (
    "media",
    "reasoning",
    "citations",
    "hosted",
    "refused",
    "calls",
    "custom",
    "call signatures",
    "roles",
    "name",
    "details",
)
# How a result that holds nothing is told to those who want words.
NOTHING_TOLD = ("(no output)", "The tool failed.")


def meaning(chat: Chat, origin: str) -> Meaning:
    """`origin` is the vendor that is asked: its own signatures alone mean something to it."""
    found: Meaning = {name: getattr(chat, name) for name in PLAIN}
    found = {name: None if value in USUAL.get(name, ()) else value for name, value in found.items()}
    found["effort"] = _effort(chat)
    found["answer_format"] = _format(chat)
    found |= _tools(chat) | _messages(chat.messages, origin)
    return found


def touched(notes: Iterable[Note]) -> set[str]:
    """What may differ, for all that the notes say."""
    names: set[str] = set()
    for note in notes:
        names.add(note.field.removeprefix("messages."))
        names.add(note.field.partition(".")[0])
        names.update(TOUCHED.get(note.field, ()))
        if note.field.startswith("tools.") and note.field not in TOUCHED:
            names.add("vendor tools")
        if note.field.startswith("tools.web_search."):
            names.add("search settings")
    return names


def _format(chat: Chat) -> Any:
    """A schema's description may be told within it."""
    if chat.answer_format is None:
        return None
    schema = chat.answer_format.schema
    return "any object" if schema is None else {**schema, "description": None}


def _effort(chat: Chat) -> Any:
    if chat.effort is None and chat.thinking_budget is None:
        return None
    effort = chat.effort or effort_of(chat.thinking_budget or 0)
    return {"minimal": "none", "xhigh": "high", "max": "high"}.get(effort, effort)


def _tools(chat: Chat) -> Meaning:
    choice = chat.tool_choice
    if choice is not None and set(choice.allowed) >= {t.name for t in chat.tools if isinstance(t, Tool | CustomTool)}:
        choice = msgspec.structs.replace(choice, allowed=())
    if choice == ToolChoice(mode="auto") or not chat.tools:
        choice = None
    may_call = bool(chat.tools) and choice != ToolChoice(mode="none")
    return {
        "functions": [(t.name, t.description, t.parameters) for t in chat.tools if isinstance(t, Tool)],
        "strict": [t.strict for t in chat.tools if isinstance(t, Tool) and t.strict],
        "custom tools": [t for t in chat.tools if isinstance(t, CustomTool)],
        "search": any(isinstance(t, WebSearch) for t in chat.tools),
        "vendor tools": [t.type for t in chat.tools if isinstance(t, VendorTool)],
        "tool_choice": choice,
        "parallel_tool_calls": chat.parallel_tool_calls is not False or not may_call,
    }


def _messages(messages: Iterable[Message], origin: str) -> Meaning:
    """Each kind of part in its order; and how the speakers took turns."""
    found: Meaning = {kind: [] for kind in KINDS}
    said: dict[str, list[str]] = {}
    results: dict[int, tuple[str, bool]] = {}
    numbers: dict[str, int] = {}
    for message in messages:
        role = "system" if message.role == "developer" else message.role
        told = list(_told(message.parts))
        if told and found["roles"][-1:] != [role]:
            found["roles"].append(role)
        if message.name and role != "tool" and told:
            found["name"].append(message.name)
        for kind, value in told:
            if kind == "said":
                said.setdefault(role, []).append(value)
            elif kind == "call":
                numbers[value.id] = len(numbers)
                found["calls"].append((value.name, value.arguments if value.custom else _parsed(value.arguments)))
                found["custom"].append(value.custom)
                found["call signatures"].append(_own(value.signature, origin))
            elif kind == "result":
                text = "".join(part.text for part in value.parts if isinstance(part, Text))
                results[numbers[value.call_id]] = ("" if text in NOTHING_TOLD else text, value.is_error)
            elif kind == "reasoning":
                found[kind].append((value.text, _own(value.signature, origin), value.redacted))
            else:
                found[kind].append(value)
    found["said"] = {role: _joined(texts) for role, texts in said.items()}
    found["refused"] = "".join(found["refused"])
    found["results"] = [_joined([text]) for _, (text, _) in sorted(results.items())]
    found["failed"] = [failed for _, (_, failed) in sorted(results.items())]
    return found


def _joined(texts: Iterable[str]) -> str:
    """Where there are several texts, some dialects take them as one, with or without white space between them. That
    each comes through to the letter is shown in the dialects' own tests."""
    return "".join(texts).replace("\n", "").replace(" ", "")


def _own(signature: Opaque | None, origin: str) -> Opaque | None:
    """Of no use to anybody but its maker, who is asked for no other."""
    return signature if signature is not None and signature.origin == origin else None


def _told(parts: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for part in parts:
        match part:
            case Text():
                if part.text.strip():  # blank ones are refused by some, and say nothing
                    yield "said", part.text
                yield from (("citations", citation.url or citation.document) for citation in part.citations)
            case Refusal():
                yield "refused", part.text
            case Reasoning():
                if part.text.strip() or part.signature is not None:
                    yield "reasoning", part
            case HostedToolUse():
                yield "hosted", part.tool
            case ToolCall():
                yield "call", part
            case ToolResult():
                yield "result", part
                yield from (told for told in _told(part.parts) if told[0] != "said")
            case _:
                yield "media", _medium(part)
                if getattr(part, "detail", None) not in (None, "auto"):
                    yield "details", part.detail


def _medium(part: Any) -> Any:
    return type(part).__name__, getattr(part, "url", None), getattr(part, "base64", None), getattr(part, "text", None)


def _parsed(arguments: str) -> Any:
    """Numbers are what they are worth: `1e2` is 100."""
    return json.loads(arguments or "{}")


def plain(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)[:2000]
