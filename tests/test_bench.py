"""The part of the benchmark that needs no other programs: what it times is what it says, and what it judges by."""

from __future__ import annotations

import pytest
from bench.goals import GOALS, Findings
from bench.rows import Kind
from bench.stages import StageCost, Work, measure_stages


def findings(*stages: StageCost) -> Findings:
    return Findings(results=(), memory=(), stages=stages, startup=None, notes=(), others_share=0.0)


def test_every_stage_is_timed_at_its_own_work() -> None:
    costs = measure_stages(rounds=1, calls=20)
    assert {(cost.work, cost.kind) for cost in costs} == {(work, kind) for work in Work for kind in Kind}


@pytest.mark.parametrize(
    ("work", "most_us"), [(Work.MISS, 10), (Work.FIXED, 5), (Work.SLIDING, 5), (Work.IN_FLIGHT, 5)]
)
def test_stages_are_judged_alone(work: Work, most_us: float) -> None:
    found = findings(StageCost(work=work, kind=Kind.JSON, us=most_us))
    (judged,) = [goal for goal in GOALS if goal.figure(found) is not None]
    assert (judged.figure(found), judged.must) == (most_us, most_us)


def test_what_was_not_measured_has_no_figure() -> None:
    assert [goal.what for goal in GOALS if goal.figure(findings()) is not None] == []
    assert len({goal.what for goal in GOALS}) == len(GOALS)
