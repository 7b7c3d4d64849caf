"""What the semantic cache finds and what it takes wrongly, on 200 paraphrases and 200 near misses: docs/caching.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_plane.caching.semantic.pairs import measured, pairs, table, taken
from isthmus.core.gateway import SemanticCache
from isthmus.data_plane.caching.semantic.guard import agree

DOCUMENT = Path(__file__).parents[4] / "docs" / "caching.md"
THRESHOLD = SemanticCache().threshold


def test_there_are_as_many_as_is_said() -> None:
    for kind in ("paraphrase", "near_miss"):
        for half in ("choosing", "held_out"):
            assert len(pairs(kind, half)) == 100
    assert len({(pair.one, pair.other) for pair in pairs()}) == 400
    assert len({pair.language for pair in pairs()}) >= 10


def test_the_scores_are_the_models() -> None:
    """Some of them: all would take half a minute."""
    some = pairs()[::16]
    assert measured(some) == pytest.approx([pair.score for pair in some], abs=0.003)


def test_one_near_miss_in_a_hundred_at_most_is_taken() -> None:
    for half in ("choosing", "held_out"):
        assert taken("near_miss", half, THRESHOLD) <= 0.01
        assert taken("paraphrase", half, THRESHOLD) >= 0.3


def test_how_the_default_was_chosen() -> None:
    """As strict as it can be for one paraphrase that the guard lets pass."""
    scores = sorted(pair.score for pair in pairs("paraphrase", "choosing") if agree(pair.one, pair.other))
    assert scores[0] < THRESHOLD <= scores[1]
    assert round(THRESHOLD, 2) == THRESHOLD and THRESHOLD + 0.02 > scores[1]


def test_the_guard_is_even_handed() -> None:
    for pair in pairs():
        assert agree(pair.one, pair.other) == agree(pair.other, pair.one)


def test_the_document_shows_these_figures() -> None:
    assert table() in DOCUMENT.read_text(encoding="utf-8")
