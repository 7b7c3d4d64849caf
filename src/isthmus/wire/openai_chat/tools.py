"""Tools and the choice among them, from and to Chat Completions."""

from __future__ import annotations

import re
from typing import Any

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import AnyTool, CustomTool, Grammar, Tool, ToolChoice, VendorTool, WebSearch
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.custom_tools import as_function
from isthmus.wire.openai_chat import schema
from isthmus.wire.openai_chat.messages.read import read_mark
from isthmus.wire.openai_chat.options import Options

WEB_SEARCH = "web_search"
_PLAIN_NAME = re.compile(r"[a-z0-9_.-]{1,64}\Z")


def read_tool(tool: schema.ToolDefinition, at: str) -> Tool | CustomTool:
    if tool.type == "custom":
        return _read_custom(tool.custom, at)
    if tool.type != "function":
        raise Unsupported(f"`{at}.type`: tools of type `{tool.type[:64]}` are not served.", param=f"{at}.type")
    if tool.function is None:
        raise InvalidRequest(f"`{at}.function` is required.", param=f"{at}.function")
    function = tool.function
    return Tool(
        name=function.name,
        description=function.description,
        parameters=function.parameters or {},
        strict=function.strict,
        cache=read_mark(tool.cache_control),
    )


def _read_custom(custom: schema.Custom | None, at: str) -> CustomTool:
    if custom is None:
        raise InvalidRequest(f"`{at}.custom` is required.", param=f"{at}.custom")
    grammar = None
    if custom.format is not None and custom.format.type == "grammar":
        given = custom.format.grammar
        if given is None:
            raise InvalidRequest(f"`{at}.custom.format.grammar` is required.", param=f"{at}.custom.format.grammar")
        grammar = Grammar(syntax=given.syntax, definition=given.definition)
    return CustomTool(name=custom.name, description=custom.description, grammar=grammar)


def read_web_search(asked: schema.WebSearchOptions) -> WebSearch:
    location = None
    if asked.user_location is not None:
        place = asked.user_location.approximate
        named = {name: getattr(place, name) for name in place.__struct_fields__}
        location = {name: value for name, value in named.items() if value is not None}
    return WebSearch(location=location, context_size=asked.search_context_size)


def read_tool_choice(choice: str | schema.ChosenTool | None, tools: tuple[AnyTool, ...]) -> ToolChoice | None:
    """Raises `InvalidRequest` where the choice cannot be met by `tools`."""
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice in ("auto", "none"):
            return ToolChoice(mode="none" if choice == "none" else "auto")
        if choice != "required":
            raise InvalidRequest(
                f"`tool_choice` may not be '{choice[:64]}': it is 'auto', 'required', 'none' or a tool.",
                param="tool_choice",
            )
        if not tools:
            raise InvalidRequest("`tool_choice` is 'required', but `tools` is empty.", param="tool_choice")
        return ToolChoice(mode="required")
    if choice.type == "allowed_tools":
        return _read_allowed(choice.allowed_tools, tools)
    at = f"tool_choice.{choice.type}"
    if choice.type not in ("function", "custom"):
        raise InvalidRequest(
            "`tool_choice.type` must be `function`, `custom` or `allowed_tools`.", param="tool_choice.type"
        )
    named = choice.function if choice.type == "function" else choice.custom
    if named is None:
        raise InvalidRequest(f"`{at}` is required.", param=at)
    return ToolChoice(mode="named", name=_known(named.name, tools, f"{at}.name"))


def read_function_choice(choice: str | schema.Named | None, tools: tuple[AnyTool, ...]) -> ToolChoice | None:
    """`function_call`, the old name of `tool_choice`."""
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in ("auto", "none"):
            raise InvalidRequest("`function_call` must be 'auto', 'none' or a function.", param="function_call")
        return ToolChoice(mode="none" if choice == "none" else "auto")
    return ToolChoice(mode="named", name=_known(choice.name, tools, "function_call.name"))


def _read_allowed(asked: schema.AllowedTools | None, tools: tuple[AnyTool, ...]) -> ToolChoice:
    at = "tool_choice.allowed_tools"
    if asked is None:
        raise InvalidRequest(f"`{at}` is required.", param=at)
    names = []
    for index, tool in enumerate(asked.tools):
        named = tool.custom if tool.type == "custom" else tool.function
        if named is None:
            raise InvalidRequest(f"`{at}.tools.{index}` must name a tool.", param=f"{at}.tools.{index}")
        names.append(_known(named.name, tools, f"{at}.tools.{index}"))
    if not names:
        raise InvalidRequest(f"`{at}.tools` must hold at least one tool.", param=f"{at}.tools")
    return ToolChoice(mode=asked.mode, allowed=tuple(names))


def _known(name: str, tools: tuple[AnyTool, ...], at: str) -> str:
    if all(isinstance(tool, WebSearch | VendorTool) or tool.name != name for tool in tools):
        raise InvalidRequest(f"`{at}`: `tools` has no '{name[:80]}'.", param=at)
    return name


# --- written --------------------------------------------------------------------------------------------------------


def write_tools(
    tools: tuple[AnyTool, ...], choice: ToolChoice | None, options: Options, receipt: Receipt
) -> dict[str, Any]:
    """The fields `tools`, `tool_choice` and `web_search_options`. Raises `Unsupported` for a choice that insists on
    what is not there."""
    fields: dict[str, Any] = {}
    sent: list[Tool | CustomTool] = []
    for tool in tools:
        if isinstance(tool, Tool | CustomTool):
            sent.append(tool)
        elif isinstance(tool, VendorTool):
            name = tool.type if _PLAIN_NAME.match(tool.type) else "vendor"
            receipt.lost(f"tools.{name}", "only its own vendor has it")
        elif "tools.web_search" in options.lacks:
            receipt.lost("tools.web_search", "this provider has no web search")
        else:
            fields["web_search_options"] = _write_web_search(tool, receipt)
    _check_choice(choice, sent, fields)
    if choice is not None and choice.allowed and "tool_choice.allowed" in options.lacks:
        sent = [tool for tool in sent if tool.name in choice.allowed]
        receipt.emulated("tool_choice.allowed", "only the allowed tools are sent")
        choice = ToolChoice(mode=choice.mode)
    if sent:
        fields["tools"] = [_write_any(tool, options, receipt) for tool in sent]
        fields["tool_choice"] = _write_choice(choice, sent, options)
    return fields


def _check_choice(choice: ToolChoice | None, sent: list[Tool | CustomTool], fields: dict[str, Any]) -> None:
    if choice is None or choice.mode in ("auto", "none"):
        return
    searches = "web_search_options" in fields
    if choice.mode == "required" and (sent or searches):
        return
    if choice.mode == "named" and (any(tool.name == choice.name for tool in sent)):
        return
    if choice.name == WEB_SEARCH and searches:
        return  # a model that takes these options searches before every answer
    raise Unsupported("`tool_choice` insists on a tool that this provider does not have.", param="tool_choice")


def _write_web_search(tool: WebSearch, receipt: Receipt) -> dict[str, Any]:
    for name in ("max_uses", "allowed_domains", "blocked_domains"):
        if getattr(tool, name):
            receipt.lost(f"tools.web_search.{name}", "chat completions have no field for it")
    written: dict[str, Any] = {}
    if tool.context_size is not None:
        written["search_context_size"] = tool.context_size
    if tool.location is not None:
        written["user_location"] = {"type": "approximate", "approximate": tool.location}
    return written


def _write_any(tool: Tool | CustomTool, options: Options, receipt: Receipt) -> dict[str, Any]:
    if isinstance(tool, Tool):
        return write_tool(tool)
    if "tools.custom" in options.lacks:
        receipt.emulated("tools.custom", "it is asked for as a function with one string")
        return write_tool(as_function(tool))
    custom: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        custom["description"] = tool.description
    if tool.grammar is not None:
        grammar = {"syntax": tool.grammar.syntax, "definition": tool.grammar.definition}
        custom["format"] = {"type": "grammar", "grammar": grammar}
    return {"type": "custom", "custom": custom}


def write_tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _write_choice(
    choice: ToolChoice | None, sent: list[Tool | CustomTool], options: Options
) -> str | dict[str, Any] | None:
    if choice is None:
        return None
    if choice.allowed:
        named = [_reference(tool, options) for tool in sent if tool.name in choice.allowed]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": named}}
    if choice.mode == "named":
        return next((_reference(tool, options) for tool in sent if tool.name == choice.name), None)
    return choice.mode


def _reference(tool: Tool | CustomTool, options: Options) -> dict[str, Any]:
    is_custom = isinstance(tool, CustomTool) and "tools.custom" not in options.lacks
    kind = "custom" if is_custom else "function"
    return {"type": kind, kind: {"name": tool.name}}
