"""Every feature between every caller and every provider: carried, emulated, lost with a note, or refused, never
lost in silence; whole and streamed answers say the same; and the page that tells callers is what the code does."""

from __future__ import annotations

from typing import Any

import pytest

from fidelity import answers, requests
from fidelity.document import PAGE, page
from fidelity.table import CALLERS, CARRIED, LOST, SILENT, TARGETS, UNSAID, answer_cell, asked_by, request_cell

PAIRS = [(caller, target) for caller in CALLERS for target in TARGETS]
KEEP_NONE = ("workers_ai", "openai_completions")  # there is no place for a signature in what their callers send back
named = {"ids": lambda value: getattr(value, "name", value)}


@pytest.mark.parametrize("feature", requests.FEATURES, **named)
@pytest.mark.parametrize(("caller", "target"), PAIRS)
def test_nothing_is_lost_in_silence(caller: str, target: str, feature: Any) -> None:
    assert request_cell(caller, target, feature) != SILENT


@pytest.mark.parametrize("feature", requests.FEATURES, **named)
def test_some_caller_can_say_each_feature(feature: Any) -> None:
    assert any(asked_by(caller, feature) is not None for caller in CALLERS)


@pytest.mark.parametrize("feature", answers.FEATURES, **named)
@pytest.mark.parametrize(("caller", "target"), PAIRS)
def test_whole_and_streamed_answers_say_the_same(caller: str, target: str, feature: Any) -> None:
    if caller == "anthropic_messages" and feature.name == "service tier":
        # A stream of Messages says it at its start only, where most providers do not know it yet.
        assert answer_cell(caller, target, feature, True) in (CARRIED, UNSAID)
        return
    assert answer_cell(caller, target, feature, True) == answer_cell(caller, target, feature, False)


@pytest.mark.parametrize("feature", [f for f in answers.FEATURES if f.again is not None], **named)
@pytest.mark.parametrize(("caller", "target"), [pair for pair in PAIRS if pair[0] not in KEEP_NONE])
def test_signatures_come_back_with_the_next_turn(caller: str, target: str, feature: Any) -> None:
    assert answer_cell(caller, target, feature, True) != LOST


def test_the_page_is_what_the_code_does() -> None:
    assert PAGE.read_text() == page(), "run `make fidelity`"
