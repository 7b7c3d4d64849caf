"""The tools of a request and the choice among them, both ways. Tools that only OpenAI has are kept as they came."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import (
    AnyTool,
    Chat,
    CustomTool,
    Grammar,
    Opaque,
    Tool,
    ToolChoice,
    VendorTool,
    WebSearch,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.openai_responses import schema
from isthmus.wire.openai_responses.opaque import ORIGIN, WEB_SEARCH
from isthmus.wire.unknown_fields import read_nested

# A namespace's tools go under joined names where there are only functions. Nobody names a tool with this inside.
_JOINT = "-_-"
_MODES: dict[str, Literal["auto", "required", "none"]] = {"auto": "auto", "required": "required", "none": "none"}
_EMPTY_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
# Hosted tools that a choice may name directly; the others go as the one tool that is allowed.
_DIRECT = frozenset(
    (
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "mcp",
        "shell",
    )
)
_NAMED = frozenset(("function", "custom"))
_PLACED = _NAMED | {"namespace"}

_decode_tool = msgspec.json.Decoder(schema.Labelled).decode


def joined_name(namespace: str | None, name: str) -> str:
    return f"{namespace}{_JOINT}{name}" if namespace else name


def parted_name(name: str) -> tuple[str | None, str]:
    namespace, joint, inner = name.partition(_JOINT)
    return (namespace, inner) if joint and namespace and inner else (None, name)


# --- read -----------------------------------------------------------------------------------------------------------


def read_tools(given: Iterable[msgspec.Raw], max_uses: int | None, receipt: Receipt) -> tuple[AnyTool, ...]:
    """`max_uses` bounds the calls of all hosted tools together: it is the search's where there is no other."""
    tools = [tool for at, raw in enumerate(given) for tool in _read(bytes(raw), f"tools.{at}", receipt)]
    if max_uses is None:
        return tuple(tools)
    hosted = [tool for tool in tools if isinstance(tool, WebSearch | VendorTool)]
    if len(hosted) != 1 or not isinstance(hosted[0], WebSearch):
        if hosted:
            receipt.lost("max_tool_calls", "no other dialect has it")
        return tuple(tools)
    return tuple(
        msgspec.structs.replace(tool, max_uses=max_uses) if isinstance(tool, WebSearch) else tool for tool in tools
    )


def _read(raw: bytes, at: str, receipt: Receipt) -> list[AnyTool]:
    try:
        labelled = _decode_tool(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        labelled = schema.Labelled()
    kind = labelled.type
    if kind and kind not in _PLACED and not kind.startswith(WEB_SEARCH):
        definition = Opaque(origin=ORIGIN, data=raw.decode())
        return [VendorTool(type=kind, definition=definition, name=labelled.name or labelled.server_label)]
    tool, unplaced = read_nested(schema.TOOL, raw, at)
    for name in unplaced:
        receipt.lost(f"tools.{name}", "no other dialect has it")
    if kind == "namespace":
        return _namespace(tool, at, receipt)
    return [_web_search(tool, receipt) if kind.startswith(WEB_SEARCH) else _callable(tool, None, at)]


def _callable(tool: schema.RequestTool, namespace: str | None, at: str) -> Tool | CustomTool:
    if not tool.name:
        raise InvalidRequest(f"`{at}.name` is required.", param=f"{at}.name")
    name = joined_name(namespace, tool.name)
    if tool.type == "custom":
        return CustomTool(name=name, description=tool.description, grammar=_grammar(tool.format, at))
    return Tool(name=name, description=tool.description, parameters=tool.parameters or {}, strict=tool.strict)


def _grammar(stated: schema.CustomFormat | None, at: str) -> Grammar | None:
    if stated is None or stated.type == "text":
        return None
    if stated.syntax is None or stated.definition is None:
        field = "syntax" if stated.syntax is None else "definition"
        raise InvalidRequest(f"`{at}.format.{field}` is required.", param=f"{at}.format.{field}")
    return Grammar(syntax=stated.syntax, definition=stated.definition)


def _namespace(space: schema.RequestTool, at: str, receipt: Receipt) -> list[AnyTool]:
    if not space.name:
        raise InvalidRequest(f"`{at}.name` is required.", param=f"{at}.name")
    receipt.emulated("tools.namespace", "its tools go under joined names")
    tools: list[AnyTool] = []
    for index, raw in enumerate(space.tools or ()):
        here = f"{at}.tools.{index}"
        tool, unplaced = read_nested(schema.TOOL, bytes(raw), here)
        for name in unplaced:
            receipt.lost(f"tools.tools.{name}", "no other dialect has it")
        if tool.type not in _NAMED:
            raise InvalidRequest(f"`{here}.type` may not be {tool.type[:64]!r}.", param=f"{here}.type")
        tools.append(_callable(tool, space.name, here))
    return tools


def _web_search(tool: schema.RequestTool, receipt: Receipt) -> WebSearch:
    place, filters = tool.user_location, tool.filters
    location = {
        name: value
        for name in ("city", "region", "country", "timezone")
        if place is not None and (value := getattr(place, name))
    }
    return WebSearch(
        allowed_domains=(filters.allowed_domains or ()) if filters else (),
        blocked_domains=(filters.blocked_domains or ()) if filters else (),
        location=location or None,
        context_size=tool.search_context_size,
    )


def read_choice(choice: str | schema.RequestToolChoice | None, receipt: Receipt) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        mode = _MODES.get(choice)
        if mode is None:
            raise InvalidRequest("`tool_choice` must be auto, required, none, or a tool.", param="tool_choice")
        return ToolChoice(mode=mode)
    if choice.type == "allowed_tools":
        return _allowed(choice)
    if choice.type in _NAMED:
        if not choice.name:
            raise InvalidRequest("`tool_choice.name` is required.", param="tool_choice.name")
        return ToolChoice(mode="named", name=joined_name(choice.namespace, choice.name))
    if choice.name:
        receipt.lost("tool_choice.name", "no other dialect has it")
    return ToolChoice(mode="named", name=_hosted_name(choice.type))


def _allowed(choice: schema.RequestToolChoice) -> ToolChoice:
    if not choice.tools:
        raise InvalidRequest("`tool_choice.tools` must name at least one tool.", param="tool_choice.tools")
    names = tuple(tool.name if tool.type in _NAMED and tool.name else _hosted_name(tool.type) for tool in choice.tools)
    if choice.mode == "required" and len(names) == 1 and choice.tools[0].type not in _NAMED | _DIRECT:
        return ToolChoice(mode="named", name=names[0])
    return ToolChoice(mode=choice.mode or "auto", allowed=names)


def _hosted_name(kind: str) -> str:
    return WEB_SEARCH if kind.startswith(WEB_SEARCH) else kind


# --- write ----------------------------------------------------------------------------------------------------------


def written_tools(chat: Chat, receipt: Receipt) -> list[dict[str, Any]]:
    written = (_written(tool, receipt) for tool in chat.tools)
    return [tool for tool in written if tool is not None]


def max_tool_calls(chat: Chat, receipt: Receipt) -> int | None:
    """What bounds the search, where that is the only tool that it would bound."""
    limit = next((tool.max_uses for tool in chat.tools if isinstance(tool, WebSearch)), None)
    if limit is not None and any(isinstance(tool, VendorTool) for tool in chat.tools):
        receipt.lost("tools.web_search.max_uses", "it would bound the other tools too")
        return None
    return limit


def _written(tool: AnyTool, receipt: Receipt) -> dict[str, Any] | None:
    if isinstance(tool, Tool):
        return _function(tool)
    if isinstance(tool, CustomTool):
        return _custom(tool)
    if isinstance(tool, WebSearch):
        return _search(tool, receipt)
    if tool.definition.origin == ORIGIN:
        try:
            return msgspec.json.decode(tool.definition.data, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            pass
    receipt.lost(f"tools.{tool.type}", "only its own vendor has it")
    return None


def _function(tool: Tool) -> dict[str, Any]:
    """Strict is OpenAI's default here and nowhere else: one who did not say so gets what he would elsewhere."""
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or _EMPTY_SCHEMA,
        "strict": bool(tool.strict),
    }


def _custom(tool: CustomTool) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "custom", "name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.grammar is not None:
        grammar = tool.grammar
        written["format"] = {"type": "grammar", "syntax": grammar.syntax, "definition": grammar.definition}
    return written


def _search(tool: WebSearch, receipt: Receipt) -> dict[str, Any]:
    written: dict[str, Any] = {"type": WEB_SEARCH}
    if tool.allowed_domains:
        written["filters"] = {"allowed_domains": tool.allowed_domains}
    if tool.blocked_domains:
        receipt.lost("tools.web_search.blocked_domains", "this provider can only be told which domains to search")
    if tool.location:
        written["user_location"] = {"type": "approximate", **tool.location}
    if tool.context_size is not None:
        written["search_context_size"] = tool.context_size
    return written


def written_choice(chat: Chat) -> str | dict[str, Any]:
    """Raises `Unsupported` where the choice is another vendor's tool."""
    choice = chat.tool_choice
    if choice is None:
        return "auto"
    if choice.mode == "named":
        wanted = _reference(chat, choice.name or "")
        if wanted is None:
            raise Unsupported("This provider has no such tool as the one that must be used.", param="tool_choice")
        if wanted["type"] not in _NAMED | _DIRECT:
            return {"type": "allowed_tools", "mode": "required", "tools": [wanted]}
        return wanted
    if choice.allowed and choice.mode != "none":
        found = [_reference(chat, name) for name in choice.allowed]
        tools = [tool for tool in found if tool is not None]
        if not tools:
            raise Unsupported("This provider has none of the tools that are allowed.", param="tool_choice")
        return {"type": "allowed_tools", "mode": choice.mode, "tools": tools}
    return choice.mode


def _reference(chat: Chat, name: str) -> dict[str, Any] | None:
    """None for a tool of another vendor's."""
    for tool in chat.tools:
        if isinstance(tool, CustomTool) and tool.name == name:
            return {"type": "custom", "name": name}
        if isinstance(tool, WebSearch) and name == WEB_SEARCH:
            return {"type": WEB_SEARCH}
        if isinstance(tool, VendorTool) and tool.type == name:
            if tool.definition.origin != ORIGIN:
                return None
            return {"type": name} | ({"server_label": tool.name} if name == "mcp" else {})
    return {"type": "function", "name": name}
