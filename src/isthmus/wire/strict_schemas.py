"""What providers that hold a model to a JSON Schema want of it: that every object is closed, and at OpenAI that all its
properties are required. Google, for one, cannot say so in a schema, and holds its models to it all the same."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import Chat
from isthmus.core.chat.tool import AnyTool, Tool

_NAMED = ("properties", "$defs", "definitions")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_LOOSE = "this provider holds a model only to closed objects whose properties are all required"

Schema = dict[str, Any]


def closed(schema: Schema) -> Schema:
    """An equal one where every object says already what else it may hold. Raises `RecursionError`."""
    written = dict(schema)
    for name in _NAMED:
        parts = schema.get(name)
        if isinstance(parts, dict):
            written[name] = {key: _closed(part) for key, part in parts.items()}
    for name in _LISTED:
        parts = schema.get(name)
        if isinstance(parts, list):
            written[name] = [_closed(part) for part in parts]
    if "items" in schema:
        written["items"] = _closed(schema["items"])
    if _is_object(schema):
        written.setdefault("additionalProperties", False)
    return written


def strict_where_openai_is(chat: Chat, receipt: Receipt) -> Chat:
    """The request without the `strict` of schemas that OpenAI would refuse for it: the model is shown them still."""
    wanted = chat.answer_format
    if wanted is not None and wanted.strict and not _is_strict(wanted.schema):
        receipt.emulated("answer_format", f"its schema is only shown: {_LOOSE}")
        chat = msgspec.structs.replace(chat, answer_format=msgspec.structs.replace(wanted, strict=False))
    if any(map(_is_too_loose, chat.tools)):
        receipt.lost("tools.strict", _LOOSE)
        tools = tuple(_unheld(tool) if _is_too_loose(tool) else tool for tool in chat.tools)
        chat = msgspec.structs.replace(chat, tools=tools)
    return chat


def _is_too_loose(tool: AnyTool) -> bool:
    return isinstance(tool, Tool) and bool(tool.strict) and not _is_strict(tool.parameters)


def _unheld(tool: AnyTool) -> AnyTool:
    return msgspec.structs.replace(tool, strict=False)


def _is_strict(schema: Schema | None) -> bool:
    left: list[Any] = [schema]
    while left:
        part = left.pop()
        if not isinstance(part, dict):
            continue
        properties, required = part.get("properties"), part.get("required")
        if _is_object(part) and part.get("additionalProperties") is not False:
            return False
        if isinstance(properties, dict) and properties:
            if not isinstance(required, list) or any(name not in required for name in properties):
                return False
        for name in _NAMED:
            parts = part.get(name)
            left += parts.values() if isinstance(parts, dict) else ()
        for name in _LISTED:
            parts = part.get(name)
            left += parts if isinstance(parts, list) else ()
        left.append(part.get("items"))
    return True


def _is_object(schema: Schema) -> bool:
    kind = schema.get("type")
    return "properties" in schema or kind == "object" or (isinstance(kind, list) and "object" in kind)


def _closed(part: Any) -> Any:
    return closed(part) if isinstance(part, dict) else part
