"""Recorded text completions: each stream cut in every way that a network may cut it, each request written anew."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from isthmus.core.chat.event import Event, Failed, Finished, TextDelta, UsageReported
from isthmus.core.chat.model import Model
from isthmus.wire.body import Body
from isthmus.wire.openai_completions import DIALECT
from wire.openai_chat.golden import cases, expected, plain, read, request_of, stream_of

each = pytest.mark.parametrize("case", cases("openai_completions"), ids=lambda case: case.name)


@each
def test_a_stream_is_read_however_it_is_cut(case: Path) -> None:
    stream = stream_of(case)
    assert plain(read(DIALECT, [stream])) == expected(case)
    assert plain(read(DIALECT, [stream[at : at + 1] for at in range(len(stream))])) == expected(case)
    assert plain(read(DIALECT, [stream.replace(b"\n", b"\r\n")])) == expected(case)
    for place in range(1, len(stream)):
        assert plain(read(DIALECT, [stream[:place], stream[place:]])) == expected(case)


@each
def test_its_summary_says_the_same(case: Path) -> None:
    events = read(DIALECT, [stream_of(case)])
    summary = DIALECT.summarize(stream_of(case), False)
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    reasons = [event.reason for event in events if isinstance(event, Finished)]
    assert summary.usage == (usages[-1] if usages else None)
    assert summary.finish_reason == (reasons[-1] if reasons else None)
    assert summary.failed is isinstance(events[-1], Failed)


@each
def test_its_request_written_anew_says_the_same(case: Path) -> None:
    chat = request_of(case, DIALECT)
    written = DIALECT.write_request(chat, Model(name=chat.model))
    assert written.notes == chat.unplaced == ()
    again = DIALECT.read_request(Body(written.body))
    assert again == msgspec.structs.replace(chat, include_usage=again.include_usage)


@each
def test_written_for_a_caller_it_is_read_again_as_the_same(case: Path) -> None:
    events = read(DIALECT, [stream_of(case)])
    if isinstance(events[-1], Failed):
        return
    chat = request_of(case, DIALECT)
    for whole in (False, True):
        writer, reader = DIALECT.writer(whole, chat), DIALECT.reader(whole)
        answer = b"".join([*[writer.write(event) for event in events], writer.close()])
        assert said([*reader.feed(answer), *reader.close()]) == said(events)


def said(events: list[Event]) -> dict[int, tuple[str, list[str]]]:
    """The text of each choice, and its tokens."""
    found: dict[int, tuple[str, list[str]]] = {}
    for event in events:
        if isinstance(event, TextDelta):
            text, tokens = found.get(event.choice, ("", []))
            found[event.choice] = text + event.text, tokens + [each.token for each in event.logprobs]
    return found
