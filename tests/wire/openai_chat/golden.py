"""Recorded conversations (`cases/<dialect>/<case>`: request.json, stream.sse, events.json), for tests of both dialects
that answer in chunks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from isthmus.core.chat.event import Event, Failed
from isthmus.core.chat.request import Chat
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect

CASES = Path(__file__).parent.parent / "cases"
MADE_UP = re.compile(r"(call_)?[0-9a-f]{24}")
fields_of = cache(msgspec.structs.fields)  # it compiles the annotations each time


def cases(dialect: str) -> list[Path]:
    return sorted((CASES / dialect).iterdir())


def read(dialect: Dialect, pieces: Iterable[bytes]) -> list[Event]:
    reader = dialect.reader(False)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close()


def plain(value: Any) -> Any:
    """A struct as JSON, without what is as it is by default, and with a word for ids that were made up."""
    if isinstance(value, Failed):
        return {"type": "Failed", "status": value.error.status, "message": value.error.message}
    if isinstance(value, msgspec.Struct):
        found: dict[str, Any] = {"type": type(value).__name__} if isinstance(value, Event) else {}
        for field in fields_of(type(value)):
            inner = getattr(value, field.name)
            if field.required or inner != field.default:
                found[field.name] = plain(inner)
        if MADE_UP.fullmatch(str(found.get("id"))):
            found["id"] = "made_up"
        return found
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def expected(case: Path) -> Any:
    return json.loads((case / "events.json").read_text())


def stream_of(case: Path) -> bytes:
    return (case / "stream.sse").read_bytes()


def request_of(case: Path, dialect: Dialect) -> Chat:
    return dialect.read_request(Body((case / "request.json").read_bytes()))
