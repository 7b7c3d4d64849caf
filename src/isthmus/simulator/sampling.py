"""A value that satisfies a JSON schema, drawn with a seeded generator: tool arguments and structured answers. Covers
what the providers' structured outputs cover; a `pattern` is beyond it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from isthmus.simulator.text import prose

Schema = Mapping[str, Any]
_MAX_DEPTH = 12
_MAX_DRAWS = 100
_MAX_LENGTH = 100_000
_FORMATS = {
    "date-time": "2026-03-14T15:09:26Z",
    "date": "2026-03-14",
    "time": "15:09:26Z",
    "duration": "P3DT4H",
    "email": "ada@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/a",
    "uuid": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
}


def sample(schema: Schema | bool, rng: random.Random) -> Any:
    root = schema if isinstance(schema, Mapping) else {}
    return _Sampler(root, rng).draw(root, 0)


class _Sampler:
    def __init__(self, root: Schema, rng: random.Random) -> None:
        self._root = root
        self._rng = rng

    def draw(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > 2 * _MAX_DEPTH:
            return "any"
        schema = self._resolved(schema, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._rng.choice(schema["enum"])
        kind = self._kind(schema, depth)
        draws: dict[str, Callable[[Schema, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda _schema, _depth: self._rng.random() < 0.5,
            "null": lambda _schema, _depth: None,
        }
        return draws[kind](schema, depth)

    def _resolved(self, given: Any, depth: int) -> Schema:
        """Without `$ref`, `allOf`, `anyOf` and `oneOf`: one alternative, all of it in one mapping."""
        schema: Schema = given if isinstance(given, Mapping) else {}
        for _ in range(_MAX_DEPTH):
            if "$ref" in schema:
                schema = {**self._target(str(schema["$ref"])), **_without(schema, "$ref")}
            elif "allOf" in schema:
                merged = _without(schema, "allOf")
                for part in schema["allOf"]:
                    merged = _merge(merged, self._resolved(part, depth))
                schema = merged
            elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
                chosen = alternatives[0]
                if depth >= _MAX_DEPTH and {"type": "null"} in alternatives:
                    chosen = {"type": "null"}
                schema = _merge(_without(schema, "anyOf", "oneOf"), chosen if isinstance(chosen, Mapping) else {})
            else:
                break
        return schema

    def _target(self, pointer: str) -> Schema:
        node: Any = self._root
        for step in pointer.removeprefix("#").split("/")[1:]:
            node = node[step.replace("~1", "/").replace("~0", "~")]
        return node if isinstance(node, Mapping) else {}

    def _kind(self, schema: Schema, depth: int) -> str:
        kinds = schema.get("type")
        if isinstance(kinds, list):
            kinds = "null" if depth >= _MAX_DEPTH and "null" in kinds else kinds[0]
        if isinstance(kinds, str):
            return kinds
        if "properties" in schema:
            return "object"
        return "array" if "items" in schema else "string"

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        names = [name for name in properties if depth < _MAX_DEPTH or name in required]
        value = {name: self.draw(properties[name], depth + 1) for name in names}
        for name in required:
            if name not in value:
                value[name] = self.draw(schema.get("additionalProperties", {}), depth + 1)
        return value

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, 3))
        length = least if depth >= _MAX_DEPTH else self._rng.randint(min(max(least, 1), most), min(most, least + 3))
        fixed = schema.get("prefixItems", [])[:length]
        items = [self.draw(part, depth + 1) for part in fixed]
        draws = 0
        while len(items) < length and draws < _MAX_DRAWS:
            draws += 1
            item = self.draw(schema.get("items", {}), depth + 1)
            if not (schema.get("uniqueItems") and item in items):
                items.append(item)
        return items

    def _string(self, schema: Schema, depth: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = prose(self._rng, 2).lower().removesuffix(".")
        least = min(schema.get("minLength", 0), _MAX_LENGTH)
        text = text.ljust(least, "a") if len(text) < least else text
        return text[: schema["maxLength"]] if "maxLength" in schema else text

    def _integer(self, schema: Schema, depth: int) -> int:
        return int(self._multiple(schema, schema.get("multipleOf", 1)))

    def _number(self, schema: Schema, depth: int) -> float:
        if "multipleOf" in schema:
            return self._multiple(schema, schema["multipleOf"])
        least, most = _bounds(schema, (2**-10))
        return least + (most - least) * self._rng.randint(0, 16) / 16

    def _multiple(self, schema: Schema, step: float) -> float:
        least, most = _bounds(schema, step)
        first = math.ceil(least / step)
        return self._rng.randint(first, max(first, math.floor(most / step))) * step


def _bounds(schema: Schema, step: float) -> tuple[float, float]:
    least = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    most = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    if "exclusiveMinimum" in schema:
        least = max(least, schema["exclusiveMinimum"] + step)
    if "exclusiveMaximum" in schema:
        most = min(most, schema["exclusiveMaximum"] - step)
    if math.isinf(least):
        least = min(1, most)
    return least, min(most, max(least, 1) + 99)


def _merge(one: dict[str, Any], two: Schema) -> dict[str, Any]:
    merged = {**one, **two}
    if "properties" in one and "properties" in two:
        merged["properties"] = {**one["properties"], **two["properties"]}
    if "required" in one and "required" in two:
        merged["required"] = [*one["required"], *two["required"]]
    return merged


def _without(schema: Schema, *names: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in names}
