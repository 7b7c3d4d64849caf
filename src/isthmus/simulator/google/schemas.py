"""Schemas for tools and for answers: Google's own kind, a subset of OpenAPI's with its own rules, and how it reads as
JSON schema.
"""

from __future__ import annotations

from typing import Any

from isthmus.simulator.google.errors import GoogleRejection, starred
from isthmus.simulator.shape import flaw_in_schema

_MAX_DEPTH = 32
_SAME = ("description", "enum", "format", "pattern", "required", "minimum", "maximum")
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_WITH_ANY_OF = frozenset({"anyOf", "title", "description", "default", "nullable", "example"})


def check_schema(schema: dict[str, Any], where: str, is_vertex: bool, depth: int = 0) -> None:
    """`where` is the path in snake case. Raises `GoogleRejection`."""
    if depth > _MAX_DEPTH:
        raise starred(where, f"schema is deeper than {_MAX_DEPTH} levels")
    kind = schema.get("type")
    if "anyOf" in schema:
        if is_vertex and not _WITH_ANY_OF.issuperset(schema):
            raise GoogleRejection(
                f"Unable to submit request because `{where}` schema specified other fields alongside any_of. When "
                "using any_of, it must be the only field set."
            )
    elif kind in (None, "TYPE_UNSPECIFIED") and "ref" not in schema:
        if is_vertex:
            raise GoogleRejection(
                f"Unable to submit request because `{where}` schema didn't specify the schema type field."
            )
        raise starred(f"{where}.type", "must be specified when not using one_of, any_of or all_of fields")
    _check_object(schema, kind, where, is_vertex)
    _check_rest(schema, kind, where)
    for name, part in schema.get("properties", {}).items():
        check_schema(part, f"{where}.properties[{name}]", is_vertex, depth + 1)
    for index, part in enumerate(schema.get("anyOf", ())):
        check_schema(part, f"{where}.any_of[{index}]", is_vertex, depth + 1)
    if "items" in schema:
        check_schema(schema["items"], f"{where}.items", is_vertex, depth + 1)


def _check_rest(schema: dict[str, Any], kind: str | None, where: str) -> None:
    if kind == "ARRAY" and "items" not in schema:
        raise starred(f"{where}.items", "missing field.")
    if "items" in schema and kind not in ("ARRAY", None):
        raise starred(f"{where}.items", "only allowed for ARRAY type")
    if schema.get("enum") and kind != "STRING":
        raise starred(f"{where}.enum", "only allowed for STRING type")
    for index, value in enumerate(schema.get("enum", ())):
        if not value:
            raise starred(f"{where}.enum[{index}]", "cannot be empty")


def _check_object(schema: dict[str, Any], kind: str | None, where: str, is_vertex: bool) -> None:
    properties = schema.get("properties", {})
    if kind == "OBJECT" and not properties and not is_vertex:
        raise starred(f"{where}.properties", "should be non-empty for OBJECT type")
    if properties and kind not in ("OBJECT", None):
        raise starred(f"{where}.properties", "only allowed for OBJECT type")
    for index, name in enumerate(schema.get("required", ())):
        if name not in properties:
            raise starred(f"{where}.required[{index}]", "property is not defined")


def check_json_schema(schema: Any, where: str, must_be_object: bool) -> None:
    """The full kind: any JSON schema, as far as its structure goes."""
    flaw = flaw_in_schema(schema)
    if flaw is None and must_be_object and (not isinstance(schema, dict) or schema.get("type") != "object"):
        flaw = 'schema must be of type "object"'
    if flaw is not None:
        raise starred(where, flaw)


def as_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A sound schema of Google's own kind, in the words of JSON schema."""
    plain: dict[str, Any] = {name: schema[name] for name in _SAME if name in schema}
    plain |= {name: schema[name] for name in _COUNTS if name in schema}
    kind = schema.get("type", "TYPE_UNSPECIFIED").lower()
    if kind != "type_unspecified":
        plain["type"] = [kind, "null"] if schema.get("nullable") else kind
    if "properties" in schema:
        plain["properties"] = {name: as_json_schema(part) for name, part in schema["properties"].items()}
    if "items" in schema:
        plain["items"] = as_json_schema(schema["items"])
    if schema.get("anyOf"):
        plain["anyOf"] = [as_json_schema(part) for part in schema["anyOf"]]
    return plain
