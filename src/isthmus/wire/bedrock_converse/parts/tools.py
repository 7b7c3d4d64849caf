"""Tools and which of them shall be called. Converse has no word for calling none, and no bound on calls at once: Claude
takes these in words of its own, the others are told."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, ToolCall, ToolResult
from isthmus.core.chat.tool import AnyTool, CustomTool, Tool, ToolChoice, VendorTool, WebSearch
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.bedrock_converse import schema
from isthmus.wire.bedrock_converse.parts.caching import marked, read_mark
from isthmus.wire.bedrock_converse.parts.calls import NAME_MAX_CHARS, is_tool_name, tool_name
from isthmus.wire.bedrock_converse.parts.families import Family
from isthmus.wire.custom_tools import as_function
from isthmus.wire.strict_schemas import closed

Json = dict[str, Any]

CALL_NONE = "Do not call any tool now: answer with text."
CALL_ONE = "Call one tool at most at a time."
_NO_SUCH_TOOL = "this provider has no such tool"
_TYPES = {"auto": "auto", "required": "any", "named": "tool"}


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """`config` goes to `toolConfig`, `extra` to `additionalModelRequestFields`, `words` to the instructions."""

    config: Json | None = None
    extra: Json = {}
    words: tuple[str, ...] = ()


def offer(chat: Chat, model: Model, family: Family, receipt: Receipt) -> Offered:
    """AWS wants tools wherever the conversation holds calls. Without calls no tools are the same as calling none."""
    choice = chat.tool_choice
    tools = _written_tools(chat, family, receipt)
    if choice is not None and choice.mode in ("required", "named"):
        _check_choice(choice, tools)
    called = _called_tools(chat)
    if choice is not None and choice.mode == "none" and tools and not called:
        receipt.emulated("tool_choice", "the tools are left out")
        return Offered()
    words: list[str] = []
    if not tools:
        if not called:
            return Offered()
        tools = [_spec(Tool(name=name), family, receipt) for name in called]
        receipt.emulated("tools", "the tools that were called are declared, and the model is told to call none")
        words.append(CALL_NONE)
        choice = None
    elif choice is not None and choice.mode == "none":
        receipt.emulated("tool_choice", "the model is told to call none")
        words.append(CALL_NONE)
        choice = None
    if choice is not None and choice.mode in ("required", "named") and not model.forces_tools:
        receipt.emulated("tool_choice", "the model is told to call it")
        words.append(f"Call the tool `{choice.name}` now." if choice.name else "Call one of the tools now.")
        choice = None
    return _with_choice(chat, choice, Offered(config={"tools": tools}, words=tuple(words)), family, receipt)


def _with_choice(chat: Chat, choice: ToolChoice | None, offered: Offered, family: Family, receipt: Receipt) -> Offered:
    """One call at a time is said inside Claude's own `tool_choice`; beside `toolChoice` AWS refuses that as a conflict
    ("The additional field tool_choice/type conflicts with the existing field toolConfig.toolChoice.tool")."""
    config = offered.config or {}
    replace = msgspec.structs.replace
    kind = "auto" if choice is None else _TYPES[choice.mode]
    if chat.parallel_tool_calls is False and CALL_NONE not in offered.words:
        if family.claude:
            stated: Json = {"type": kind, "disable_parallel_tool_use": True}
            if choice is not None and kind == "tool":
                stated["name"] = choice.name
            return replace(offered, extra={"tool_choice": stated})
        receipt.emulated("parallel_tool_calls", "the model is told to call one tool at a time")
        offered = replace(offered, words=(*offered.words, CALL_ONE))
    if choice is None:
        return offered
    value = {"name": choice.name} if kind == "tool" else {}
    return replace(offered, config={**config, "toolChoice": {kind: value}})


def _written_tools(chat: Chat, family: Family, receipt: Receipt) -> list[Json]:
    choice = chat.tool_choice
    written: list[Json] = []
    for tool in chat.tools:
        name = tool.type if isinstance(tool, VendorTool) else "web_search" if isinstance(tool, WebSearch) else tool.name
        if choice is not None and choice.allowed and name not in choice.allowed:
            receipt.emulated("tool_choice.allowed", "the other tools are left out")
        elif isinstance(tool, WebSearch):
            receipt.lost("tools.web_search", _NO_SUCH_TOOL)
        elif isinstance(tool, VendorTool):
            receipt.lost(f"tools.{tool.type}", _NO_SUCH_TOOL)
        elif isinstance(tool, CustomTool):
            receipt.emulated("tools.custom", "it is offered as a function with one text")
            written.append(_spec(as_function(tool), family, receipt))
        elif family.caches_tools or tool.cache is None:
            written += marked([_spec(tool, family, receipt)], tool.cache, family, receipt)
        else:
            receipt.lost("cache_control", "this model keeps no tools")
            written.append(_spec(tool, family, receipt))
    return written


def _spec(tool: Tool, family: Family, receipt: Receipt) -> Json:
    if not is_tool_name(tool.name):
        raise Unsupported(
            f"This provider takes tool names of up to {NAME_MAX_CHARS} letters, digits, underscores and hyphens, not "
            f"{tool.name[:80]!r}.",
            param="tools",
        )
    parameters = tool.parameters if "type" in tool.parameters else {"type": "object", **tool.parameters}
    spec: Json = {"name": tool.name, "inputSchema": {"json": parameters}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict:
        if family.schemas:
            spec |= {"strict": True, "inputSchema": {"json": closed(parameters)}}
            if closed(parameters) != parameters:
                receipt.emulated("tools.strict", "every object in its schema is closed")
        else:
            receipt.lost("tools.strict", "this model is not held to schemas")
    return {"toolSpec": spec}


def _check_choice(choice: ToolChoice, tools: list[Json]) -> None:
    names = [tool["toolSpec"]["name"] for tool in tools if "toolSpec" in tool]
    if not names or (choice.name is not None and choice.name not in names):
        raise Unsupported("`tool_choice` insists on a tool that this model does not have.", param="tool_choice")


def _called_tools(chat: Chat) -> list[str]:
    """The names of the tools that the conversation's calls are of, each once."""
    names: dict[str, None] = {}
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                names[tool_name(part.name)] = None
            elif isinstance(part, ToolResult) and not names:
                names[tool_name(part.name or "")] = None
    return list(names)


# --- read -----------------------------------------------------------------------------------------------------------


def read_tools(config: schema.ToolConfig | None, receipt: Receipt) -> tuple[AnyTool, ...]:
    tools: list[AnyTool] = []
    for index, item in enumerate(config.tools if config is not None else ()):
        if item.toolSpec is not None:
            spec = item.toolSpec
            tools.append(
                Tool(name=spec.name, description=spec.description, parameters=spec.inputSchema.json, strict=spec.strict)
            )
        elif item.cachePoint is not None:
            if not tools:
                raise _unmarked(f"toolConfig.tools.{index}")
            tools[-1] = msgspec.structs.replace(tools[-1], cache=read_mark(item.cachePoint))
        elif item.systemTool is not None:
            receipt.lost("toolConfig.tools.systemTool", "no other dialect has it")
    return tuple(tools)


def read_choice(config: schema.ToolConfig | None, extra: Json) -> ToolChoice | None:
    """Claude's own word for it stands among the extra fields, where it bounds the calls too."""
    stated = config.toolChoice if config is not None else None
    if stated is not None:
        if stated.tool is not None:
            return ToolChoice(mode="named", name=stated.tool.name)
        return ToolChoice(mode="auto" if stated.any is None else "required")
    own = extra.get("tool_choice")
    kind = own.get("type") if isinstance(own, dict) else None
    if kind == "any":
        return ToolChoice(mode="required")
    if kind == "none":
        return ToolChoice(mode="none")
    if isinstance(own, dict) and kind == "tool" and isinstance(own.get("name"), str):
        return ToolChoice(mode="named", name=own["name"])
    return None


def _unmarked(at: str) -> InvalidRequest:
    return InvalidRequest(f"`{at}.cachePoint`: there is nothing before it.", param=f"{at}.cachePoint")
