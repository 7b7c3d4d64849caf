"""Reads JSON as Google's front end does: into protocol buffers. Names in camel or in snake case, numbers as strings,
base64 of either alphabet, one value where a list is due; an unknown name, a wrong type or enum is an error, and all
errors are told at once.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from isthmus.simulator.google.errors import GoogleRejection

MAX_DEPTH = 100
_INTEGER = re.compile(r"^-?\d{1,20}$")
_DURATION = re.compile(r"^-?\d{1,12}(\.\d{1,9})?s$")
_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")
_INT_BITS = {"int32": 31, "int64": 63}
_ENUM_NAMES = {
    "category": "HarmCategory",
    "threshold": "SafetySetting.HarmBlockThreshold",
    "mode": "FunctionCallingConfig.Mode",
    "thinking_level": "ThinkingConfig.ThinkingLevel",
}
_CAPITAL = re.compile(r"[A-Z]")

Messages = Mapping[str, Mapping[str, str]]


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One API's messages, by the names of its discovery document: of each field its type, as `[T]` where it is a list,
    `{T}` where it is a map; an enum is `|A|B`. `prefix` stands before each name in that document, `url` in errors.
    `unions` are the groups of fields of which a message holds one."""

    url: str
    prefix: str = ""
    messages: Messages
    unions: Mapping[str, Mapping[str, tuple[str, ...]]]


def read(package: Package, name: str, raw: Any) -> dict[str, Any]:
    """The message in camel case, without nulls, empty lists and empty maps; enums, bytes and numbers in their proper
    spelling. Raises `GoogleRejection` with every violation.
    """
    reader = _Reader(package)
    message = reader.message(name, raw, "", 0)
    if reader.violations:
        raise GoogleRejection.of_violations(reader.violations)
    return message


def snake(name: str) -> str:
    return _CAPITAL.sub(lambda capital: "_" + capital[0].lower(), name)


class _Reader:
    """`violations` are pairs of a field and what is wrong with it."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self.violations: list[tuple[str, str]] = []

    def _invalid(self, path: str, kind: str, value: Any) -> None:
        shown = msgspec.json.encode(value).decode()
        self.violations.append((path, f"Invalid value at '{path}' ({kind}), {shown}"))

    def _unknown(self, path: str, name: str, why: str = "Cannot find field.") -> None:
        where = f" at '{path}'" if path else ""
        self.violations.append((path, f'Invalid JSON payload received. Unknown name "{name}"{where}: {why}'))

    def message(self, name: str, raw: Any, path: str, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise GoogleRejection("Invalid JSON payload received. Message too deep. Max recursion depth reached.")
        if not isinstance(raw, dict):
            self._invalid(path, f"type.googleapis.com/{self._package.url}.{name}", raw)
            return {}
        fields = self._package.messages[name]
        spellings = {**{snake(field): field for field in fields}, **{field: field for field in fields}}
        message: dict[str, Any] = {}
        for key, value in raw.items():
            field = spellings.get(key)
            if field is None:
                self._unknown(path, key)
            elif value is not None or fields[field] == "any":
                where = f"{path}.{snake(field)}" if path else snake(field)
                content = self._field(fields[field], value, where, (path, key), depth)
                if fields[field][0] not in "[{" or content:
                    message[field] = content
        for union, members in self._package.unions.get(name, {}).items():
            present = [member for member in members if member in message]
            if len(present) > 1:
                what = f"oneof field '{union}' is already set. Cannot set '{present[1]}'"
                self.violations.append((path, f"Invalid value at '{path}' (oneof), {what}"))
        return message

    def _field(self, kind: str, value: Any, path: str, named: tuple[str, str], depth: int) -> Any:
        if kind[0] == "[":
            items = value if isinstance(value, list) else [value]
            return [self._one(kind[1:-1], item, f"{path}[{i}]", named, depth) for i, item in enumerate(items)]
        if kind[0] == "{":
            if not isinstance(value, dict):
                self._invalid(path, "Map", value)
                return {}
            entries = enumerate(value.items())
            return {key: self._one(kind[1:-1], item, f"{path}[{i}].value", named, depth) for i, (key, item) in entries}
        if isinstance(value, list) and kind not in ("any", "struct"):
            self._unknown(*named, "Proto field is not repeating, cannot start list.")
            return None
        return self._one(kind, value, path, named, depth)

    def _one(self, kind: str, value: Any, path: str, named: tuple[str, str], depth: int) -> Any:
        if kind == "any":
            return value
        if kind == "struct":
            if not isinstance(value, dict):
                self._invalid(path, "type.googleapis.com/google.protobuf.Struct", value)
            return value
        if kind in self._package.messages:
            return self.message(kind, value, path, depth + 1)
        if isinstance(value, dict):
            self._unknown(*named, "Proto field is not a message, cannot start object.")
            return None
        if kind[0] == "|":
            return self._enum(kind, value, path)
        return self._scalar(kind, value, path)

    def _enum(self, kind: str, value: Any, path: str) -> Any:
        values = {name.upper(): name for name in kind[1:].split("|")}
        found = values.get(value.upper()) if isinstance(value, str) else None
        if found is None:
            self._invalid(path, f"type.googleapis.com/{self._package.url}.{_enum_name(path)}", value)
        return found

    def _scalar(self, kind: str, value: Any, path: str) -> Any:
        read_value: Any
        if kind in _INT_BITS:
            read_value = _whole_number(value, _INT_BITS[kind])
        elif kind == "float":
            read_value = _number(value)
        elif kind == "bool":
            read_value = {"true": True, "false": False}.get(value, None) if isinstance(value, str) else value
            read_value = read_value if isinstance(read_value, bool) else None
        elif kind == "bytes":
            return self._bytes(value, path)
        else:
            pattern = {"duration": _DURATION, "timestamp": _TIMESTAMP}.get(kind)
            read_value = value if isinstance(value, str) and (pattern is None or pattern.match(value)) else None
        if read_value is None:
            self._invalid(path, f"TYPE_{kind.upper()}", value)
        return read_value

    def _bytes(self, value: Any, path: str) -> str | None:
        if not isinstance(value, str):
            self._invalid(path, "TYPE_BYTES", value)
            return None
        plain = value.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            return base64.b64encode(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)).decode()
        except (binascii.Error, ValueError):
            shown = msgspec.json.encode(value[:64]).decode()
            message = f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for {shown}"
            self.violations.append((path, message))
            return None


def _enum_name(path: str) -> str:
    """The discovery document leaves out what an enum is called: mostly as its field is."""
    last = re.sub(r"\[\d+\]", "", path.rsplit(".", 1)[-1])
    return _ENUM_NAMES.get(last) or "".join(word.capitalize() for word in last.split("_"))


def _whole_number(value: Any, bits: int) -> int | None:
    if isinstance(value, str) and _INTEGER.match(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -(1 << bits) <= value < 1 << bits else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
