"""What llama.cpp's converter from JSON Schema to a grammar can take, of what a caller sends.

A guard, and not a convenience alone: the converter refuses much that is sound, and from some of what it does not refuse
it never comes back (a `minLength` above its `maxLength` fills the memory). So only known keywords pass, in known forms.
What is left out makes the grammar wider, never narrower.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from isthmus.providers.constrained_pattern import MOST_REPETITIONS, grammar_pattern

MOST_NODES = 1000
MOST_PROPERTIES = 200
MOST_CHOICES = 500
DEEPEST = 32
LARGEST_INTEGER = 10**15

TYPES = frozenset(("string", "number", "integer", "boolean", "object", "array", "null"))
DEFINITIONS = ("$defs", "definitions")

Schema = dict[str, Any]


def document(root: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """`root`, which is our own, with the callers' schemas beside it: it refers to them as `#/$defs/NAME`."""
    sieve = _Sieve()
    whole = root | {"$defs": {name: sieve.sift(schema, f"#/$defs/{name}") for name, schema in definitions.items()}}
    for node in [node for node in sieve.references if not _grounded(node["$ref"], whole)]:
        del node["$ref"]
    return whole


class _Sieve:
    """One pass over the schemas of one request, within one allowance of nodes. `references` are the nodes made that
    refer to others: whether there is anything at the other end is known only when all is sifted."""

    def __init__(self) -> None:
        self.references: list[Schema] = []
        self._nodes_left = MOST_NODES

    def sift(self, schema: object, root: str, depth: int = 0) -> Schema:
        """`root` is where the caller's schema stands in our document: there its references lead."""
        self._nodes_left -= 1
        if not isinstance(schema, dict) or depth > DEEPEST or self._nodes_left < 0:
            return {}
        if isinstance(schema.get("allOf"), list):
            kept = self._joined(schema, root, depth)
        elif isinstance(schema.get("$ref"), str):
            kept = self._reference(schema["$ref"], root)
        else:
            kept = self._plain(schema, root, depth)
        for name in DEFINITIONS:
            if isinstance(schema.get(name), dict):
                listed = islice(schema[name].items(), MOST_PROPERTIES)
                kept[name] = {key: self.sift(value, root, depth + 1) for key, value in listed}
        return kept

    def _reference(self, reference: str, root: str) -> Schema:
        if not reference.startswith("#"):
            return {}
        node = {"$ref": root + reference[1:]}
        self.references.append(node)
        return node

    def _plain(self, schema: Schema, root: str, depth: int) -> Schema:
        if "const" in schema:
            return {"const": schema["const"]}
        if 0 < len(choices := _listed(schema.get("enum"))) <= MOST_CHOICES:
            return {"enum": choices}
        kept: Schema = {"type": kinds} if (kinds := _types(schema.get("type"))) else {}
        kept |= self._object(schema, root, depth)
        if "properties" not in kept:  # the converter would forget them over the alternatives
            kept |= self._alternatives(schema, root, depth)
        return kept | self._array(schema, root, depth) | _text(schema) | _range(schema)

    def _object(self, schema: Schema, root: str, depth: int) -> Schema:
        kept: Schema = {}
        given = schema.get("properties")
        if isinstance(given, dict):
            required = {name for name in _listed(schema.get("required")) if isinstance(name, str)}
            first = set(sorted(given, key=lambda name: name not in required)[:MOST_PROPERTIES])
            kept["properties"] = {
                name: self.sift(value, root, depth + 1) for name, value in given.items() if name in first
            }
            kept["required"] = [name for name in given if name in required & first]
        others = schema.get("additionalProperties")
        if isinstance(others, bool):
            kept["additionalProperties"] = others
        elif isinstance(others, dict):
            kept["additionalProperties"] = self.sift(others, root, depth + 1)
        return kept

    def _array(self, schema: Schema, root: str, depth: int) -> Schema:
        places = _listed(schema.get("prefixItems")) or _listed(schema.get("items"))
        if places:
            return {"prefixItems": [self.sift(item, root, depth + 1) for item in places[:MOST_CHOICES]]}
        item = schema.get("items")
        kept = {"items": self.sift(item, root, depth + 1)} if isinstance(item, dict) else {}
        return kept | _lengths(schema, "minItems", "maxItems")

    def _alternatives(self, schema: Schema, root: str, depth: int) -> Schema:
        choices = _listed(schema.get("anyOf")) or _listed(schema.get("oneOf"))
        if not choices or len(choices) > MOST_CHOICES:
            return {}
        shared = {"type": schema["type"]} if "type" in schema else {}
        told = [shared | choice if isinstance(choice, dict) else choice for choice in choices]
        return {"anyOf": [self.sift(choice, root, depth + 1) for choice in told]}

    def _joined(self, schema: Schema, root: str, depth: int) -> Schema:
        """allOf. The converter joins the properties of objects and knows no other way."""
        parts = [part for part in schema["allOf"] if isinstance(part, dict)]
        beside = {key: value for key, value in schema.items() if key not in ("allOf", *DEFINITIONS)}
        if not any("$ref" in part or "allOf" in part for part in parts) and "$ref" not in beside:
            return self._plain(_merged([beside, *parts]), root, depth)
        if "properties" in beside or "$ref" in beside:
            parts.insert(0, beside)
        sifted = [self.sift(part, root, depth + 1) for part in parts[:MOST_CHOICES]]
        return sifted[0] if len(sifted) == 1 else {"allOf": sifted}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _types(value: object) -> str | list[str] | None:
    """Other spellings of case are forgiven: Google's are in capitals."""
    named = value if isinstance(value, list) else [value]
    known = list(dict.fromkeys(kind.lower() for kind in named if isinstance(kind, str) and kind.lower() in TYPES))
    return (known if isinstance(value, list) else known[0]) if known else None


def _text(schema: Schema) -> Schema:
    kept = _lengths(schema, "minLength", "maxLength")
    if isinstance(schema.get("format"), str):
        kept["format"] = schema["format"]
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and (written := grammar_pattern(pattern)) is not None:
        kept["pattern"] = written
    return kept


def _lengths(schema: Schema, lower: str, upper: str) -> Schema:
    least, most = _count(schema.get(lower)), _count(schema.get(upper))
    if least is not None and most is not None and least > most:
        return {}
    kept = {}
    if least:
        kept[lower] = min(least, MOST_REPETITIONS)
    if most is not None and most <= MOST_REPETITIONS:
        kept[upper] = most
    return kept


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        return None
    return int(value) if value == int(value) else None


def _range(schema: Schema) -> Schema:
    """The bounds of integers; those of other numbers the converter does not know."""
    if _types(schema.get("type")) != "integer":
        return {}
    least = [math.ceil(bound) for bound in _bounds(schema, "minimum")]
    least += [math.floor(bound) + 1 for bound in _bounds(schema, "exclusiveMinimum")]
    most = [math.floor(bound) for bound in _bounds(schema, "maximum")]
    most += [math.ceil(bound) - 1 for bound in _bounds(schema, "exclusiveMaximum")]
    if least and most and max(least) > min(most):
        return {}
    return ({"minimum": max(least)} if least else {}) | ({"maximum": min(most)} if most else {})


def _bounds(schema: Schema, name: str) -> Iterator[int | float]:
    value = schema.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER:
        yield value


def _merged(parts: list[Schema]) -> Schema:
    joined: Schema = {}
    for part in parts:
        objects = [schema.get("properties") for schema in (joined, part)]
        properties = {name: value for given in objects if isinstance(given, dict) for name, value in given.items()}
        required = [*_listed(joined.get("required")), *_listed(part.get("required"))]
        joined = joined | part | {"required": required} | ({"properties": properties} if properties else {})
    return joined


def _grounded(reference: str, whole: Schema) -> bool:
    """Whether following it ends somewhere: a rule of a grammar may not begin with itself."""
    seen, pending = set(), [reference]
    while pending:
        reference = pending.pop()
        target = _target(reference, whole)
        if target is None or reference in seen:
            return False
        seen.add(reference)
        pending += _heads(target)
    return True


def _target(reference: str, whole: Schema) -> Schema | None:
    """Only what was sifted: a `const` may hold anything, even what looks like a schema. The converter looks names up
    as they are written, without undoing any escape."""
    node: object = whole
    names = iter(reference.split("/")[1:])
    for name in names:
        if not isinstance(node, dict) or name not in ("properties", *DEFINITIONS, "items", "additionalProperties"):
            return None
        node = node.get(name)
        if name in ("properties", *DEFINITIONS):
            node = node.get(next(names, "")) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else None


def _heads(schema: Schema) -> Iterator[str]:
    """The references that a text of this schema may begin with."""
    if "$ref" in schema:
        yield schema["$ref"]
    for name in ("anyOf", "allOf"):
        for choice in schema.get(name, ()):
            yield from _heads(choice)
