"""Recorded conversations with platform models: each stream cut in every way that a network may cut it."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.core.chat.event import UsageReported
from isthmus.core.chat.model import Model
from isthmus.wire.body import Body
from isthmus.wire.workers_ai import WORKERS_AI
from wire.openai_chat.golden import cases, expected, plain, read, request_of, stream_of

each = pytest.mark.parametrize("case", cases("workers_ai"), ids=lambda case: case.name)


@each
def test_a_stream_is_read_however_it_is_cut(case: Path) -> None:
    stream = stream_of(case)
    assert plain(read(WORKERS_AI, [stream])) == expected(case)
    assert plain(read(WORKERS_AI, [stream[at : at + 1] for at in range(len(stream))])) == expected(case)
    assert plain(read(WORKERS_AI, [stream.replace(b"\n", b"\r\n")])) == expected(case)
    for place in range(1, len(stream)):
        assert plain(read(WORKERS_AI, [stream[:place], stream[place:]])) == expected(case)


@each
def test_its_summary_says_the_same(case: Path) -> None:
    usages = [event.usage for event in read(WORKERS_AI, [stream_of(case)]) if isinstance(event, UsageReported)]
    assert WORKERS_AI.summarize(stream_of(case), False).usage == (usages[-1] if usages else None)


@each
def test_its_request_written_anew_says_the_same(case: Path) -> None:
    chat = request_of(case, WORKERS_AI)
    written = WORKERS_AI.write_request(chat, Model(name="@cf/x/y"))
    assert written.notes == chat.unplaced == ()
    assert WORKERS_AI.read_request(Body(written.body)) == chat
