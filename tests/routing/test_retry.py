"""Retries and fallback as plans, driven by hand: no clock, no network."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.attempt import Attempt, Backoff, Outcome, Target
from isthmus.core.reply import Reply
from isthmus.errors import (
    CallerLeft,
    Forbidden,
    GatewayError,
    Interrupted,
    InvalidRequest,
    Malformed,
    Rejected,
    Throttled,
    TimedOut,
    Unavailable,
)
from isthmus.routing.fallback import fallback
from isthmus.routing.plan import Plan, once
from isthmus.routing.retry import (
    ATTEMPTS_MAX,
    DELAY_MAX_SECONDS,
    RETRY_AFTER_MAX_SECONDS,
    Retries,
    delay_after,
    retry,
)
from isthmus.wire.statuses import upstream_error

TARGET = Target(provider="openai", model="gpt-4o", name="openai/gpt-4o", dialect="openai_chat")
OTHER = Target(provider="anthropic", model="claude", name="anthropic/claude", dialect="anthropic_messages")
ATTEMPT = Attempt(target=TARGET)


def a_reply() -> Reply:
    return Reply(200, content_type=b"application/json", dialect="openai_chat", whole=True, body=b"{}")


def driven(plan: Plan, outcomes: Iterable[Outcome]) -> tuple[list[Attempt], Outcome]:
    """What the plan asked for, and what it returned; `outcomes` are as many as it asks for or more."""
    asked = [next(plan)]
    for outcome in outcomes:
        try:
            asked.append(plan.send(outcome))
        except StopIteration as end:
            result: Outcome = end.value
            return asked, result
    raise AssertionError(f"the plan wants more than {len(asked)} attempts")


backoffs = st.sampled_from(["constant", "linear", "exponential"])
delays = st.floats(0, 600, allow_nan=False)
errors = st.sampled_from(
    [
        Unavailable("down"),
        Throttled("slow", retry_after=2.5),
        Throttled("slow", retry_after=RETRY_AFTER_MAX_SECONDS + 1),
        TimedOut("late"),
        Malformed("noise"),
        Rejected("no"),
        InvalidRequest("no"),
        Interrupted("cut"),
        upstream_error(409, "conflict"),
    ]
)
rules = st.builds(
    Retries,
    max_attempts=st.integers(-1, 9),
    delay_seconds=delays,
    backoff=backoffs,
    timeout_seconds=st.none() | st.floats(0.001, 3600),
)


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [("constant", [2, 2, 2, 2]), ("linear", [2, 4, 6, 8]), ("exponential", [2, 4, 8, 16])],
)
def test_the_waits_of_each_backoff(backoff: Backoff, waits: list[float]) -> None:
    asked, _ = driven(retry(ATTEMPT, Retries(max_attempts=5, delay_seconds=2, backoff=backoff)), [Unavailable("")] * 5)
    assert [attempt.delay_seconds for attempt in asked] == [0, *waits]


@given(rules, st.lists(errors, min_size=10, max_size=10), st.booleans(), st.integers(0, 9))
def test_whatever_happens(rules: Retries, failures: list[GatewayError], patient: bool, answered: int) -> None:
    reply = a_reply()
    outcomes: list[Outcome] = [*failures[:answered], reply, *failures]
    asked, result = driven(retry(ATTEMPT, rules, patient=patient), outcomes)
    most = min(max(1, rules.max_attempts), ATTEMPTS_MAX)
    assert 1 <= len(asked) <= most
    assert [attempt.number for attempt in asked] == list(range(1, len(asked) + 1))
    assert all(attempt.target is TARGET for attempt in asked)
    assert asked[0].delay_seconds == 0
    assert result is outcomes[len(asked) - 1]
    for attempt, outcome in zip(asked[1:], outcomes, strict=False):
        assert isinstance(outcome, GatewayError) and outcome.retryable
        assert attempt.delay_seconds == delay_after(attempt.number - 1, rules, outcome)
        assert (outcome.retry_after or 0) <= attempt.delay_seconds
        assert attempt.delay_seconds <= max(DELAY_MAX_SECONDS * 8, RETRY_AFTER_MAX_SECONDS)
    if not isinstance(result, Reply) and len(asked) < most:
        assert not result.retryable or (result.retry_after or 0) > RETRY_AFTER_MAX_SECONDS
    for attempt in asked:
        unhurried = patient and most > 1 and attempt.number == most
        assert attempt.timeout_seconds == (None if unhurried else rules.timeout_seconds)


@pytest.mark.parametrize(
    ("again", "statuses"), [(False, (400, 401, 403, 404, 422)), (True, (408, 409, 425, 429, 500, 502, 503, 504, 529))]
)
def test_which_statuses_are_tried_again(again: bool, statuses: tuple[int, ...]) -> None:
    for status in statuses:
        outcomes: list[Outcome] = [upstream_error(status, "no"), a_reply()]
        asked, _ = driven(retry(ATTEMPT, Retries(max_attempts=2)), outcomes)
        assert len(asked) == 1 + again, status


def test_a_provider_that_asks_for_time_is_given_it() -> None:
    outcomes: list[Outcome] = [Throttled("slow", retry_after=7), Throttled("slow", retry_after=1), a_reply()]
    asked, _ = driven(retry(ATTEMPT, Retries(max_attempts=3, delay_seconds=3)), outcomes)
    assert [attempt.delay_seconds for attempt in asked] == [0, 7, 3]


def test_one_that_asks_for_too_much_is_left() -> None:
    error = Throttled("come back tomorrow", retry_after=RETRY_AFTER_MAX_SECONDS + 0.1)
    asked, result = driven(retry(ATTEMPT, Retries(max_attempts=5)), [error, a_reply()])
    assert len(asked) == 1 and result is error


def test_the_last_of_several_attempts_waits() -> None:
    rules = Retries(max_attempts=3, timeout_seconds=0.5)
    late = [TimedOut("late")] * 3
    assert [each.timeout_seconds for each in driven(retry(ATTEMPT, rules), late)[0]] == [0.5, 0.5, None]
    hurried = driven(retry(ATTEMPT, rules, patient=False), late)[0]
    assert [each.timeout_seconds for each in hurried] == [0.5, 0.5, 0.5]
    alone = Retries(timeout_seconds=0.5)
    assert [each.timeout_seconds for each in driven(retry(ATTEMPT, alone), late)[0]] == [0.5]


@given(st.lists(st.none() | errors, min_size=1, max_size=6))
def test_the_first_plan_with_an_answer_is_the_last_one_asked(outcomes: list[GatewayError | None]) -> None:
    given_ = [outcome or a_reply() for outcome in outcomes]
    plans = [retry(Attempt(target=TARGET, step=step), Retries()) for step in range(len(given_))]
    asked, result = driven(fallback(*plans), given_)
    succeeded = [step for step, outcome in enumerate(given_) if isinstance(outcome, Reply)]
    last = succeeded[0] if succeeded else len(given_) - 1
    assert [attempt.step for attempt in asked] == list(range(last + 1))
    assert result is given_[last]


def test_a_step_is_left_after_its_retries() -> None:
    first = retry(Attempt(target=TARGET, step=0), Retries(max_attempts=2, delay_seconds=1), patient=False)
    second = retry(Attempt(target=OTHER, step=1), Retries(max_attempts=2, delay_seconds=1))
    asked, result = driven(fallback(first, second), [Unavailable("")] * 3 + [reply := a_reply()])
    assert [(each.step, each.number, each.delay_seconds) for each in asked] == [
        (0, 1, 0),
        (0, 2, 1),
        (1, 1, 0),
        (1, 2, 1),
    ]
    assert result is reply


def test_a_refusal_of_ours_leaves_the_step_too() -> None:
    asked, result = driven(fallback(once(TARGET), once(OTHER)), [Forbidden("not this model"), reply := a_reply()])
    assert len(asked) == 2 and result is reply


def test_nobody_waits_any_more() -> None:
    asked, result = driven(fallback(once(TARGET), once(OTHER)), [left := CallerLeft("gone")])
    assert len(asked) == 1 and result is left
