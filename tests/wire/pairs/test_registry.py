"""The registry holds every dialect under a name of its own, and what each says on an idle stream says nothing."""

from __future__ import annotations

import pytest

from fidelity.table import CALLERS, TARGETS
from isthmus.wire.registry import DIALECTS


def test_every_dialect_is_there() -> None:
    assert {*CALLERS, *TARGETS} <= set(DIALECTS)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_calls_itself_what_the_registry_does(name: str) -> None:
    assert DIALECTS[DIALECTS[name].name].name == DIALECTS[name].name


@pytest.mark.parametrize("name", DIALECTS)
def test_saying_nothing_says_nothing(name: str) -> None:
    dialect = DIALECTS[name]
    assert not dialect.stream_ended(dialect.keep_alive)
    assert dialect.reader(False).feed(dialect.keep_alive) == []
