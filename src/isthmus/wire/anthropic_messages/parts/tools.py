"""Tools: functions, the web search, and those that Anthropic alone knows; and which of them shall be called."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.part import Opaque
from isthmus.core.chat.request import Chat
from isthmus.core.chat.tool import AnyTool, CustomTool, Tool, ToolChoice, VendorTool, WebSearch
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.anthropic_messages.parts.caching import marked, read_mark
from isthmus.wire.anthropic_messages.parts.signatures import OWN
from isthmus.wire.anthropic_messages.schema import CacheControl, RequestToolChoice
from isthmus.wire.custom_tools import as_function
from isthmus.wire.json_text import read_typed
from isthmus.wire.strict_schemas import closed

_SEARCH = "web_search"
_SEARCH_TYPE = "web_search_20250305"  # later ones filter what they find by running code
_WHERE = ("city", "region", "country", "timezone")
_NO_OTHER = "no other dialect has it"

_READ: dict[str, Literal["auto", "required", "none"]] = {"auto": "auto", "any": "required", "none": "none"}
_WRITTEN = {"auto": "auto", "required": "any", "none": "none"}


class _Head(msgspec.Struct, frozen=True):
    type: str | None = None
    name: str | None = None


class _Function(_Head, frozen=True):
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None


class _Search(_Head, frozen=True):
    max_uses: int | None = None
    allowed_domains: tuple[str, ...] | None = None
    blocked_domains: tuple[str, ...] | None = None
    user_location: dict[str, Any] | None = None
    cache_control: CacheControl | None = None


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_function = msgspec.json.Decoder(_Function).decode
_decode_search = msgspec.json.Decoder(_Search).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# What asks for nothing, spelled out.
_IDLE = frozenset((b"null", b"false", b"[]", b"{}", b'["direct"]'))


def read_tool(raw: msgspec.Raw, at: str, receipt: Receipt) -> AnyTool:
    data = bytes(raw)
    try:
        return _read_tool(data, at, receipt)
    except InvalidRequest as error:
        if error.param is None or error.param.startswith(at):
            raise
        path = f"{at}.{error.param}"
        raise InvalidRequest(error.message.replace(error.param, path, 1), param=path) from None


def _read_tool(data: bytes, at: str, receipt: Receipt) -> AnyTool:
    if not data.startswith(b"{"):
        raise InvalidRequest(f"`{at}` must be an object.", param=at)
    head = read_typed(_decode_head, data)
    if head.type in (None, "custom"):
        return _function(data, at, receipt)
    kind = head.type or ""
    if kind.startswith(_SEARCH + "_"):
        return _search(data, receipt)
    return VendorTool(type=kind, name=head.name, definition=Opaque(origin=OWN, data=data.decode()))


def _function(data: bytes, at: str, receipt: Receipt) -> Tool:
    tool = read_typed(_decode_function, data)
    _note_unknown(data, _Function, receipt)
    if not tool.name:
        raise InvalidRequest(f"`{at}.name` is required.", param=f"{at}.name")
    if tool.input_schema is None:
        raise InvalidRequest(f"`{at}.input_schema` is required.", param=f"{at}.input_schema")
    return Tool(
        name=tool.name,
        description=tool.description,
        parameters=tool.input_schema,
        strict=tool.strict,
        cache=read_mark(tool.cache_control),
    )


def _search(data: bytes, receipt: Receipt) -> WebSearch:
    tool = read_typed(_decode_search, data)
    _note_unknown(data, _Search, receipt)
    where = tool.user_location or {}
    location = {name: where[name] for name in _WHERE if isinstance(where.get(name), str)}
    return WebSearch(
        max_uses=tool.max_uses,
        allowed_domains=tool.allowed_domains or (),
        blocked_domains=tool.blocked_domains or (),
        location=location or None,
        cache=read_mark(tool.cache_control),
    )


def _note_unknown(data: bytes, kind: type[_Head], receipt: Receipt) -> None:
    for name, value in _decode_fields(data).items():
        if name not in kind.__struct_fields__ and bytes(value) not in _IDLE:
            receipt.lost(f"tools.{name}", _NO_OTHER)


def read_choice(choice: RequestToolChoice, tools: tuple[AnyTool, ...]) -> ToolChoice:
    if choice.type != "tool":
        return ToolChoice(mode=_READ[choice.type])
    if not choice.name:
        raise InvalidRequest("`tool_choice.name` is required.", param="tool_choice.name")
    for tool in tools:
        if isinstance(tool, VendorTool) and tool.name == choice.name:
            return ToolChoice(mode="named", name=tool.type)
    return ToolChoice(mode="named", name=choice.name)


def written_tools(chat: Chat, model: Model, receipt: Receipt) -> tuple[dict[str, Any], tuple[str, ...]]:
    """`tools` and `tool_choice`, and words for the instructions where the model cannot be forced to call. Without tools
    Anthropic takes no choice: and there is nothing to choose."""
    if not chat.tools:
        return {}, ()
    choice = chat.tool_choice
    offered: list[dict[str, Any]] = []
    for tool in chat.tools:
        name = tool.type if isinstance(tool, VendorTool) else _SEARCH if isinstance(tool, WebSearch) else tool.name
        if choice is not None and choice.allowed and name not in choice.allowed:
            receipt.emulated("tool_choice.allowed", "the other tools are left out")
        elif (written := _written_tool(tool, receipt)) is not None:
            offered.append(written)
    if choice is not None and choice.mode in ("required", "named"):
        _check_choice(choice, chat.tools, bool(offered))
    if not offered:
        return {}, ()
    stated = _written_choice(choice, chat)
    words: tuple[str, ...] = ()
    if stated is not None and stated["type"] in ("any", "tool") and not model.forces_tools:
        receipt.emulated("tool_choice", "the model is told to call it")
        words = (f"Call the tool `{stated['name']}` now." if "name" in stated else "Call one of the tools now.",)
        stated = {"type": "auto"} | {name: stated[name] for name in stated.keys() & {"disable_parallel_tool_use"}}
    return {"tools": offered} | ({} if stated is None else {"tool_choice": stated}), words


def _check_choice(choice: ToolChoice, tools: tuple[AnyTool, ...], offered: bool) -> None:
    foreign = any(
        isinstance(tool, VendorTool) and tool.type == choice.name and tool.definition.origin != OWN for tool in tools
    )
    if foreign or not offered:
        raise Unsupported("`tool_choice` insists on a tool that this model does not have.", param="tool_choice")


def _written_choice(choice: ToolChoice | None, chat: Chat) -> dict[str, Any] | None:
    stated: dict[str, Any] | None = None
    if choice is not None and choice.mode == "named":
        name = choice.name
        for tool in chat.tools:
            if isinstance(tool, VendorTool) and tool.type == name and tool.name:
                name = tool.name
        stated = {"type": "tool", "name": name}
    elif choice is not None:
        stated = {"type": _WRITTEN[choice.mode]}
    if chat.parallel_tool_calls is False and (stated is None or stated["type"] != "none"):
        stated = (stated or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return stated


def _written_tool(tool: AnyTool, receipt: Receipt) -> dict[str, Any] | None:
    if isinstance(tool, WebSearch):
        return _written_search(tool, receipt)
    if isinstance(tool, VendorTool):
        return _own_definition(tool, receipt)
    if isinstance(tool, CustomTool):
        receipt.emulated("tools.custom", "it is offered as a function with one text")
        tool = as_function(tool)
    schema = tool.parameters if "type" in tool.parameters else {"type": "object", **tool.parameters}
    written: dict[str, Any] = {"name": tool.name, "input_schema": schema}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.strict:
        written |= {"strict": True, "input_schema": closed(schema)}
        if written["input_schema"] != schema:
            receipt.emulated("tools.strict", "every object in its schema is closed")
    return marked(written, tool.cache)


def _written_search(tool: WebSearch, receipt: Receipt) -> dict[str, Any]:
    written: dict[str, Any] = {"type": _SEARCH_TYPE, "name": _SEARCH}
    if tool.max_uses is not None:
        written["max_uses"] = tool.max_uses
    if tool.allowed_domains:
        written["allowed_domains"] = tool.allowed_domains
        if tool.blocked_domains:
            receipt.lost("tools.web_search.blocked_domains", "this provider takes allowed or blocked ones, not both")
    elif tool.blocked_domains:
        written["blocked_domains"] = tool.blocked_domains
    if tool.location:
        written["user_location"] = {"type": "approximate", **tool.location}
    if tool.context_size not in (None, "medium"):
        receipt.lost("tools.web_search.context_size", "this provider decides how much it reads")
    return marked(written, tool.cache)


def _own_definition(tool: VendorTool, receipt: Receipt) -> dict[str, Any] | None:
    definition = None
    if tool.definition.origin == OWN:
        try:
            definition = msgspec.json.decode(tool.definition.data)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            definition = None
    if isinstance(definition, dict):
        return definition
    receipt.lost(f"tools.{tool.type}", "only its own provider has this tool")
    return None
