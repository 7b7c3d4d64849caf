"""Recorded conversations (`cases/<dialect>/<case>`): the request is read, and the stream, however it is cut."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from isthmus.core.event import Event, Failed, UsageReported
from isthmus.wire.body import Body
from isthmus.wire.registry import DIALECTS

CASES = Path(__file__).parent.parent / "cases"
OWN = [case for name in ("openai_chat", "workers_ai") for case in sorted((CASES / name).iterdir())]
MADE_UP = re.compile(r"(call_)?[0-9a-f]{24}")

own = pytest.mark.parametrize("case", OWN, ids=lambda case: f"{case.parent.name}/{case.name}")


def plain(event: Event) -> dict[str, Any]:
    if isinstance(event, Failed):
        return {"type": "Failed", "status": event.error.status, "message": event.error.message}
    found: dict[str, Any] = {"type": type(event).__name__, **msgspec.to_builtins(event)}
    if MADE_UP.fullmatch(str(found.get("id"))):
        found["id"] = "made_up"
    return {name: value for name, value in found.items() if value is not None}


def read(case: Path, pieces: list[bytes]) -> list[dict[str, Any]]:
    reader = DIALECTS[case.parent.name].reader(False)
    events = itertools.chain.from_iterable(reader.feed(piece) for piece in pieces)
    return [plain(event) for event in [*events, *reader.close()]]


@own
def test_a_stream_is_read_however_it_is_cut(case: Path) -> None:
    stream = (case / "stream.sse").read_bytes()
    wanted = [
        {name: value for name, value in event.items() if value is not None}
        for event in json.loads((case / "events.json").read_text())
    ]
    assert read(case, [stream]) == wanted
    assert read(case, [stream[place : place + 1] for place in range(len(stream))]) == wanted
    assert read(case, [stream.replace(b"\n", b"\r\n")]) == wanted
    for place in range(1, len(stream)):
        assert read(case, [stream[:place], stream[place:]]) == wanted


@own
def test_its_summary_says_the_same(case: Path) -> None:
    stream = (case / "stream.sse").read_bytes()
    reader = DIALECTS[case.parent.name].reader(False)
    events = reader.feed(stream) + reader.close()
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    summary = DIALECTS[case.parent.name].summarize(stream, False)
    assert summary.usage == (usages[-1] if usages else None)
    assert summary.failed is isinstance(events[-1], Failed)


@own
def test_a_request_says_the_same_when_it_is_written_anew(case: Path) -> None:
    dialect = DIALECTS[case.parent.name]
    chat = dialect.read_request(Body((case / "request.json").read_bytes()))
    assert chat.unplaced == ()
    written = dialect.write_request(chat, chat.model)
    again = dialect.read_request(Body(written.body))
    kept = [message for message in chat.messages if "messages.reasoning" not in written.lost]
    assert not kept or again.messages == chat.messages
    lost = {"messages", "include_usage"}
    fields = [name for name in chat.__struct_fields__ if name not in lost]
    assert [getattr(again, name) for name in fields] == [getattr(chat, name) for name in fields]
