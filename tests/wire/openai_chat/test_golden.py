"""Recorded conversations: each stream cut in every way that a network may cut it, each request written anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from isthmus.core.chat.event import Event, Failed, Finished, UsageReported
from isthmus.core.chat.model import Model
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import OPENAI_CHAT
from wire.openai_chat.golden import cases, expected, plain, read, request_of, stream_of

each = pytest.mark.parametrize("case", cases("openai_chat"), ids=lambda case: case.name)


@each
def test_a_stream_is_read_however_it_is_cut(case: Path) -> None:
    stream = stream_of(case)
    assert plain(read(OPENAI_CHAT, [stream])) == expected(case)
    assert plain(read(OPENAI_CHAT, [stream[at : at + 1] for at in range(len(stream))])) == expected(case)
    assert plain(read(OPENAI_CHAT, [stream.replace(b"\n", b"\r\n")])) == expected(case)
    ends = {place + step for place in range(len(stream)) if stream[place : place + 2] == b"\n\n" for step in range(4)}
    for place in sorted(ends | set(range(1, len(stream), 7))):
        assert plain(read(OPENAI_CHAT, [stream[:place], stream[place:]])) == expected(case)


@each
def test_its_summary_says_the_same(case: Path) -> None:
    events = read(OPENAI_CHAT, [stream_of(case)])
    summary = OPENAI_CHAT.summarize(stream_of(case), False)
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    reasons = [event.reason for event in events if isinstance(event, Finished)]
    assert summary.usage == (usages[-1] if usages else None)
    assert summary.failed is isinstance(events[-1], Failed)
    # A stream that says "stop" after its calls is not looked through for them.
    called = reasons[-1:] == ["tool_calls"] and summary.finish_reason == "stop"
    assert called or summary.finish_reason == (reasons[-1] if reasons else None)


@each
def test_its_request_written_anew_says_the_same(
    case: Path, openai_schema: Callable[[str], Draft202012Validator]
) -> None:
    chat = request_of(case, OPENAI_CHAT)
    written = OPENAI_CHAT.write_request(chat, Model(name=chat.model))
    body = msgspec.json.decode(written.body)
    openai_schema("CreateChatCompletionRequest").validate(body)
    again = OPENAI_CHAT.read_request(Body(written.body))
    changed = {"include_usage", "unplaced"} | {note.field.partition(".")[0] for note in written.notes}
    for name in chat.__struct_fields__:
        if name not in changed:
            assert getattr(again, name) == getattr(chat, name), name


@each
def test_written_for_a_caller_it_is_read_again_as_the_same(case: Path) -> None:
    events = read(OPENAI_CHAT, [stream_of(case)])
    if isinstance(events[-1], Failed):
        return
    writer = OPENAI_CHAT.writer(False, request_of(case, OPENAI_CHAT))
    stream = b"".join([*[writer.write(event) for event in events], writer.close()])
    whole = OPENAI_CHAT.writer(True, request_of(case, OPENAI_CHAT))
    for event in events:
        whole.write(event)
    reader = OPENAI_CHAT.reader(True)
    reader.feed(whole.close())
    assert texts(read(OPENAI_CHAT, [stream])) == texts(events) == texts(reader.close())


def texts(events: list[Event]) -> dict[tuple[str, int], str]:
    """All that was said, by its kind and place."""
    found: dict[tuple[str, int], str] = {}
    for event in events:
        said = getattr(event, "text", None) or getattr(event, "arguments", None) or getattr(event, "name", None)
        if isinstance(said, str):
            key = (type(event).__name__, getattr(event, "index", getattr(event, "choice", 0)))
            found[key] = found.get(key, "") + said
    return found
