"""AWS's own service model as a validator, and the golden cases. A case's stream is kept as the names and payloads of
its messages; `framed` makes the bytes, with nothing of the package's."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import botocore.eventstream
import botocore.session
import msgspec
import pytest

from isthmus.core.chat.event import Event, Failed, Started

CASES = sorted((Path(__file__).parent.parent / "cases" / "bedrock_converse").iterdir())
MODEL = botocore.session.Session().get_service_model("bedrock-runtime")

Validate = Callable[[str, Any], None]
NUMBERS = {"integer": int, "long": int, "float": (int, float), "boolean": bool}


def conforms(value: Any, shape: Any, where: str = "$") -> None:
    """A JSON value is what the service model's shape says, bounds included, and nothing more."""
    kind, known = shape.type_name, shape.metadata
    if kind == "structure" and getattr(shape, "is_document_type", False):
        assert isinstance(value, dict), where
    elif kind == "structure":
        assert isinstance(value, dict), where
        assert set(value) <= set(shape.members), f"{where}: {set(value) - set(shape.members)}"
        assert set(shape.required_members) <= set(value), f"{where}: {shape.required_members}"
        assert not shape.is_tagged_union or len(value) == 1, f"{where}: {value}"
        for name, part in value.items():
            conforms(part, shape.members[name], f"{where}.{name}")
    elif kind == "list":
        assert isinstance(value, list) and known.get("min", 0) <= len(value) <= known.get("max", len(value)), where
        for index, part in enumerate(value):
            conforms(part, shape.member, f"{where}[{index}]")
    elif kind == "map":
        assert known.get("min", 0) <= len(value) <= known.get("max", len(value)), where
        for name, part in value.items():
            conforms(name, shape.key, f"{where}{{}}")
            conforms(part, shape.value, f"{where}.{name}")
    elif kind in ("string", "blob"):
        assert isinstance(value, str), where
        assert known.get("min", 0) <= len(value) <= known.get("max", len(value)), f"{where}: {value}"
        assert not getattr(shape, "enum", None) or value in shape.enum, f"{where}: {value}"
        assert "pattern" not in known or re.fullmatch(known["pattern"], value, re.ASCII), f"{where}: {value}"
        assert kind == "string" or base64.b64decode(value, validate=True), where
    else:
        assert isinstance(value, NUMBERS[kind]) and isinstance(value, bool) == (kind == "boolean"), where
        assert known.get("min", value) <= value <= known.get("max", value), f"{where}: {value}"


@pytest.fixture(scope="session")
def validate() -> Validate:
    """By the name of a shape; the model's name is in the path of a request."""

    def check(name: str, value: Any) -> None:
        conforms({**value, "modelId": "x"} if name == "ConverseRequest" else value, MODEL.shape_for(name))

    return check


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    return request.param


def framed(name: str, payload: bytes) -> bytes:
    """`exception:…` is an exception's name, others an event's."""
    kind, _, exception = name.rpartition(":")
    kind = kind or "event"
    headers = b""
    given = {f":{kind}-type": exception, ":content-type": "application/json", ":message-type": kind}
    for key, value in given.items():
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


@pytest.fixture(scope="session")
def frames() -> Callable[[Iterable[tuple[str, Any]]], list[bytes]]:
    return lambda messages: [framed(name, json.dumps(payload).encode()) for name, payload in messages]


@pytest.fixture(scope="session")
def events_of(validate: Validate) -> Callable[[bytes], list[tuple[str, Any]]]:
    """A written stream as names and payloads: lengths and checksums are checked by botocore, payloads by the service
    model."""

    def split(stream: bytes) -> list[tuple[str, Any]]:
        buffer = botocore.eventstream.EventStreamBuffer()
        buffer.add_data(stream)
        members = MODEL.shape_for("ConverseStreamOutput").members
        found: list[tuple[str, Any]] = []
        for message in buffer:
            headers, payload = message.headers, json.loads(message.payload)
            assert headers[":content-type"] == "application/json"
            if headers[":message-type"] == "exception":
                name = headers[":exception-type"]
                assert members[name].metadata["exception"] and payload["message"]
            else:
                name = headers[":event-type"]
                conforms(payload, members[name], name)
            found.append((name, payload))
        return found

    return split


@pytest.fixture(scope="session")
def plain() -> Callable[[Iterable[Event]], list[dict[str, Any]]]:
    """Events as golden files have them: their type, and what differs from the default, inside of them too. The made-up
    id of the answer is left out."""

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
        if isinstance(value, Started):
            assert said.pop("id").startswith("msg_")
        return {"type": type(value).__name__, **said} if isinstance(value, Event) else said

    return lambda events: [one(event) for event in events]
