"""The registry holds every dialect under a name of its own."""

from __future__ import annotations

import pytest

from isthmus.wire.framing.sse import ServerSentEvents
from isthmus.wire.registry import DIALECTS

EXPECTED = {"anthropic_messages", "openai_chat", "openai_chat_compatible", "openai_responses", "workers_ai"}


def test_every_dialect_is_there() -> None:
    assert set(DIALECTS) == EXPECTED


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_calls_itself_what_the_registry_does(name: str) -> None:
    assert DIALECTS[DIALECTS[name].name].name == DIALECTS[name].name


@pytest.mark.parametrize("name", DIALECTS)
def test_saying_nothing_says_nothing(name: str) -> None:
    dialect = DIALECTS[name]
    assert dialect.keep_alive.endswith(b"\n\n")
    assert not dialect.stream_ended(dialect.keep_alive)
    assert len(ServerSentEvents().feed(dialect.keep_alive)) <= 1
    reader = dialect.reader(False)
    assert reader.feed(dialect.keep_alive) == []
