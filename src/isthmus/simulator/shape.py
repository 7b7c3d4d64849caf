"""Reads a decoded body into a strict type, and says what is wrong with it in a form that each provider puts in its own
words. Also the checks both providers share: JSON schemas in tools, and pictures.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Literal, TypeVar

import msgspec

Problem = Literal["unknown", "missing", "type", "value", "tag", "range", "length", "pattern"]
Path = tuple[str | int, ...]
T = TypeVar("T")

_WHERE = re.compile(r" - at `(?:key` in `)?(\$.*)`$", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_FIELD = re.compile(r"^Object (missing required|contains unknown) field `(.*)`$", re.DOTALL)
_TYPE = re.compile(r"^Expected `([^`]*)`, got `([^`]*)`$")
_RANGE = re.compile(r"^Expected `(\w+)` ([<>]=?) (\S+)$")
_LENGTH = re.compile(r"^Expected `(\w+)` of length ([<>]=?) (\d+)$")
_PATTERN = re.compile(r"^Expected `str` matching regex '(.*)'$")
_DATA_URI = re.compile(r"^data:([\w.+-]+/[\w.+-]+)?((?:;[\w=.+-]+)*),(.*)$", re.DOTALL)
_SCHEMA_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_MAX_SCHEMA_DEPTH = 64
_KEYWORDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("properties", "$defs", "definitions"), dict),
    **dict.fromkeys(("required", "enum", "anyOf", "oneOf", "allOf", "prefixItems"), list),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), int),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), (int, float)),
    **dict.fromkeys(("$ref", "format", "pattern"), str),
}


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a provider takes: this and nothing else."""


class ShapeError(Exception):
    """`expected` is a type, a type and a bound such as `float <= 2`, or a pattern; `value` is what was there instead,
    None where that is not known (the values of an object with free keys)."""

    def __init__(self, problem: Problem, path: Path, expected: str = "", value: Any = None) -> None:
        super().__init__(problem, path, expected, value)
        self.problem = problem
        self.path = path
        self.expected = expected
        self.value = value


def read_shape(raw: Any, shape: type[T] | Any, at: Path = ()) -> T:
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        raise _shape_error(str(error), raw, at) from error


def _shape_error(text: str, raw: Any, at: Path) -> ShapeError:
    path: Path = ()
    if where := _WHERE.search(text):
        text = text[: where.start()]
        path = tuple(name or int(index) for name, index in _STEP.findall(where[1]))
        value = None if where[0].startswith(" - at `key") or "[...]" in where[1] else _look_up(raw, path)
    else:
        value = raw
    path = at + path
    if field := _FIELD.match(text):
        return ShapeError("missing" if field[1][0] == "m" else "unknown", (*path, field[2]))
    if kind := _TYPE.match(text):
        return ShapeError("type", path, kind[1], value)
    if bound := _RANGE.match(text):
        return ShapeError("range", path, f"{bound[1]} {bound[2]} {bound[3].removesuffix('.0')}", value)
    if length := _LENGTH.match(text):
        return ShapeError("length", path, f"{length[1]} {length[2]} {length[3]}", value)
    if pattern := _PATTERN.match(text):
        return ShapeError("pattern", path, pattern[1].replace("\\\\", "\\"), value)
    return ShapeError("value" if text.startswith("Invalid enum") else "tag", path, text, value)


def _look_up(raw: Any, path: Path) -> Any:
    for step in path:
        raw = raw[step]
    return raw


def flaw_in_schema(schema: Any) -> str | None:
    """What makes it no JSON schema; None if it is one, as far as its structure goes."""
    return _flaw(schema, schema, 0)


def _flaw(schema: Any, root: Any, depth: int) -> str | None:
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict) or depth > _MAX_SCHEMA_DEPTH:
        return f"{schema!r} is not of type 'object', 'boolean'"
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if not isinstance(kind, str) or kind not in _SCHEMA_TYPES:
            return f"{kind!r} is not valid under any of the given schemas"
    for name, wanted in _KEYWORDS.items():
        if name in schema and (not isinstance(schema[name], wanted) or isinstance(schema[name], bool)):
            return f"{schema[name]!r} is not a value for '{name}'"
    for name in ("enum", "anyOf", "oneOf", "allOf", "type"):
        if schema.get(name) == []:
            return f"[] is too short for '{name}'"
    if not all(isinstance(name, str) for name in schema.get("required", ())):
        return f"{schema['required']!r} is not a list of names"
    if schema.get("multipleOf", 1) <= 0:
        return f"{schema['multipleOf']!r} is less than or equal to the minimum of 0"
    if "$ref" in schema and not _resolves(schema["$ref"], root):
        return f"{schema['$ref']!r} does not resolve"
    return next((flaw for part in _parts(schema) if (flaw := _flaw(part, root, depth + 1))), None)


def _resolves(pointer: str, root: Any) -> bool:
    if not pointer.startswith("#"):
        return False
    for step in pointer[1:].split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(root, dict) or step not in root:
            return False
        root = root[step]
    return True


def looseness_in_schema(schema: Any, context: tuple[str, ...] = (), every_property: bool = True) -> str | None:
    """What keeps it from being strict in the sense of structured outputs: each object closed, and with `every_property`
    each property required."""
    if not isinstance(schema, dict):
        return None
    if "properties" in schema or schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            return f"In context={context}, 'additionalProperties' is required to be supplied and to be false."
        missing = [name for name in schema.get("properties", {}) if name not in schema.get("required", [])]
        if missing and every_property:
            return (
                f"In context={context}, 'required' is required to be supplied and to be an array including every key "
                f"in properties. Missing '{missing[0]}'."
            )
    for name, part in schema.get("properties", {}).items():
        if flaw := looseness_in_schema(part, (*context, "properties", name), every_property):
            return flaw
    rest = _parts({**schema, "properties": {}})
    flaws = (looseness_in_schema(part, (*context, "items"), every_property) for part in rest)
    return next(filter(None, flaws), None)


def _parts(schema: dict[str, Any]) -> list[Any]:
    parts: list[Any] = []
    for name in ("properties", "$defs", "definitions"):
        parts.extend(schema.get(name, {}).values())
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        parts.extend(schema.get(name, []))
    parts.extend(schema[name] for name in ("items", "additionalProperties", "not") if name in schema)
    return parts


def is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def data_uri(text: str) -> tuple[str, bool] | None:
    """The media type of a data URI and whether it is sound base64; None if it is no data URI."""
    parts = _DATA_URI.match(text)
    if parts is None:
        return None
    return parts[1] or "text/plain", parts[2].endswith(";base64") and is_base64(parts[3])


def is_web_address(text: str) -> bool:
    return re.match(r"^https?://[^\s/]+", text) is not None
