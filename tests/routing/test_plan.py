"""Plans driven by hand, and the driver with plans written for it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from isthmus.core.attempt import Attempt, Outcome, Target
from isthmus.core.call import Call
from isthmus.core.ids import uuid7
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.routes import POST
from isthmus.errors import InvalidRequest, Rejected, Throttled, Unavailable
from isthmus.providers.models import ModelTable
from isthmus.routing.driver import drive
from isthmus.routing.plan import Plan, once

TARGET = Target(provider="openai", model="gpt-4o", name="openai/gpt-4o", dialect="openai_chat")
OTHER = Target(provider="anthropic", model="claude", name="anthropic/claude", dialect="anthropic_messages")


def a_reply() -> Reply:
    return Reply(200, content_type=b"application/json", dialect="openai_chat", whole=True, body=b"{}")


@pytest.mark.parametrize("outcome", [a_reply(), Unavailable("down"), Rejected("no")])
def test_once_tries_once_whatever_comes_of_it(outcome: Outcome) -> None:
    plan = once(TARGET)
    attempt = next(plan)
    assert (attempt.target, attempt.number, attempt.delay_seconds) == (TARGET, 1, 0.0)
    with pytest.raises(StopIteration) as end:
        plan.send(outcome)
    assert end.value.value is outcome


class NoClock:
    """Nobody asks it the time; it notes who waits, and does not."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        raise AssertionError("a driver reads no clock")

    monotonic = now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Provider:
    """Gives one outcome after the other; an exception is raised."""

    def __init__(self, *outcomes: Reply | Exception) -> None:
        self._outcomes = list(outcomes)
        self.attempts: list[Attempt] = []

    async def __call__(self, call: Call, attempt: Attempt) -> Reply:
        self.attempts.append(attempt)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def call() -> Call:
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=ModelTable({}, {}))
    return Call(uuid7(), POST["v1/chat/completions"], "a", "/ai/v1/chat/completions", {}, snapshot)


def twice(told: list[Outcome]) -> Plan:
    """Tries one target, then another a while later; returns what it was told last."""
    first = yield Attempt(target=TARGET)
    told.append(first)
    if isinstance(first, Reply):
        return first
    second = yield Attempt(target=OTHER, number=2, delay_seconds=1.5)
    told.append(second)
    return second


async def test_an_answer_ends_the_plan(call: Call) -> None:
    reply, clock, told = a_reply(), NoClock(), list[Outcome]()
    provider = Provider(reply)
    assert await drive(twice(told), call, provider, clock) is reply
    assert told == [reply] and len(provider.attempts) == 1 and clock.slept == []


async def test_a_failure_is_told_and_the_next_attempt_waited_for(call: Call) -> None:
    error, reply, clock, told = Throttled("slow down"), a_reply(), NoClock(), list[Outcome]()
    provider = Provider(error, reply)
    assert await drive(twice(told), call, provider, clock) is reply
    assert told == [error, reply]
    assert [(attempt.target, attempt.number) for attempt in provider.attempts] == [(TARGET, 1), (OTHER, 2)]
    assert clock.slept == [1.5]


async def test_the_last_failure_is_raised(call: Call) -> None:
    first, last = Unavailable("down"), Throttled("slow down", retry_after=3)
    with pytest.raises(Throttled) as caught:
        await drive(twice([]), call, Provider(first, last), NoClock())
    assert caught.value is last and caught.value.__cause__ is None
    assert call.failures == ("step 0 attempt 1: down",)


async def test_a_plan_may_return_an_earlier_outcome(call: Call) -> None:
    def best() -> Generator[Attempt, Outcome, Outcome]:
        first = yield Attempt(target=TARGET)
        yield Attempt(target=OTHER)
        return first

    first = InvalidRequest("no")
    with pytest.raises(InvalidRequest):
        await drive(best(), call, Provider(first, Unavailable("down")), NoClock())


async def test_a_plan_without_attempts(call: Call) -> None:
    def nothing() -> Generator[Attempt, Outcome, Outcome]:
        return Unavailable("nobody is there")
        yield

    with pytest.raises(Unavailable, match="nobody"):
        await drive(nothing(), call, Provider(), NoClock())


async def test_a_mistake_of_ours_is_no_outcome(call: Call) -> None:
    """What is not an error of the tree passes through: the plan is not asked to make up for it."""
    told: list[Any] = []
    with pytest.raises(ZeroDivisionError):
        await drive(twice(told), call, Provider(ZeroDivisionError()), NoClock())
    assert told == []
