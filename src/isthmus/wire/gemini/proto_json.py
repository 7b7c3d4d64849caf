"""A request as Google's own JSON parser takes it: snake_case beside camelCase, one object where a list is meant,
numbers as text. And its OpenAPI schemas as JSON Schema."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

from isthmus.errors import InvalidRequest
from isthmus.wire.body import Body
from isthmus.wire.gemini import schema
from isthmus.wire.json_text import read_typed

# Ours in a body, and nobody else's: `gateway` and `options` of data-plane 4.2.
OURS = ("gateway", "options")

_SNAKE = re.compile(r"_([a-z0-9])")
_REQUEST = inspect.type_info(schema.Request)


def read(body: Body) -> tuple[schema.Request, list[str]]:
    """The request, and the fields in it that have no place, each once: "generationConfig.audioTimestamp". Raises
    `InvalidRequest`."""
    unknown: dict[str, None] = {}
    asked = {name: body.value(name) for name in body.fields if name not in OURS}
    try:
        asked = _placed(asked, _REQUEST, "", unknown)
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    return read_typed(lambda _: msgspec.convert(asked, schema.Request, strict=False), b""), list(unknown)


def camel(name: str) -> str:
    """An underscore at the front stays."""
    return name[:1] + _SNAKE.sub(lambda found: found[1].upper(), name[1:])


def _placed(value: Any, kind: inspect.Type, path: str, unknown: dict[str, None]) -> Any:
    if isinstance(kind, inspect.UnionType):
        for option in kind.types:
            if isinstance(option, inspect.VarTupleType | inspect.StructType):
                return _placed(value, option, path, unknown)
        return value
    if isinstance(kind, inspect.VarTupleType) and value is not None:
        items = value if isinstance(value, list) else [value]
        return [_placed(item, kind.item_type, path, unknown) for item in items]
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        return _named(value, kind, path, unknown)
    return value


def _named(value: dict[str, Any], kind: inspect.StructType, path: str, unknown: dict[str, None]) -> dict[str, Any]:
    known = {field.encode_name: field.type for field in kind.fields}
    placed: dict[str, Any] = {}
    for name, inner in value.items():
        proper = camel(name)
        if proper in known:
            if proper in placed:
                raise InvalidRequest(f"`{path}{proper}` is given twice, in two spellings.", param=path + proper)
            placed[proper] = _placed(inner, known[proper], f"{path}{proper}.", unknown)
        elif inner is not None and inner != {} and inner != [] and inner is not False:
            unknown[path + name] = None
    return placed


# --- schemas --------------------------------------------------------------------------------------------------------

_COUNTS = frozenset(("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"))
_INNER = frozenset(("items", "additionalProperties", "not"))
_LISTS = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_NAMED = frozenset(("properties", "$defs", "defs"))
_ALIKE = {"defs": "$defs", "ref": "$ref"}


def json_schema(given: dict[str, Any], at: str) -> dict[str, Any]:
    """Google's Schema (OpenAPI 3.0: TYPES in capitals, `nullable`, 64-bit counts as text) as JSON Schema. Raises
    `InvalidRequest`."""
    try:
        return _schema(given)
    except RecursionError:
        raise InvalidRequest(f"`{at}` is nested too deeply.", param=at) from None


def _schema(given: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    nullable = False
    order: list[Any] = []
    for name, value in given.items():
        key = _ALIKE.get(camel(name), camel(name))
        if key == "type" and isinstance(value, str):
            if value.upper() != "TYPE_UNSPECIFIED":
                read[key] = value.lower()
        elif key == "nullable":
            nullable = value is True
        elif key == "propertyOrdering":
            order = value if isinstance(value, list) else []
        elif key == "example":
            read["examples"] = [value]
        elif key in _COUNTS and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            read[key] = int(value)
        else:
            read[key] = _inner(key, value)
    if order and isinstance(read.get("properties"), dict):
        read["properties"] = _ordered(read["properties"], order)
    return _or_null(read) if nullable else read


def _inner(key: str, value: Any) -> Any:
    if key in _INNER and isinstance(value, dict):
        return _schema(value)
    if key in _LISTS and isinstance(value, list):
        return [_schema(item) if isinstance(item, dict) else item for item in value]
    if key in _NAMED and isinstance(value, dict):
        return {name: _schema(item) if isinstance(item, dict) else item for name, item in value.items()}
    return value


def _ordered(properties: dict[str, Any], order: list[Any]) -> dict[str, Any]:
    first = {name: properties[name] for name in order if isinstance(name, str) and name in properties}
    return first | properties


def _or_null(read: dict[str, Any]) -> dict[str, Any]:
    if isinstance(read.get("type"), str) and read["type"] != "null":
        read["type"] = [read["type"], "null"]
        if isinstance(read.get("enum"), list) and None not in read["enum"]:
            read["enum"] = [*read["enum"], None]
    elif isinstance(read.get("anyOf"), list) and {"type": "null"} not in read["anyOf"]:
        read["anyOf"] = [*read["anyOf"], {"type": "null"}]
    return read
