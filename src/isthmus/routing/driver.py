"""Drives a plan: makes each attempt it yields and tells it the outcome. The only part of routing that waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from isthmus.clock import Clock
from isthmus.core.attempt import Attempt, Outcome
from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.errors import GatewayError
from isthmus.routing.plan import Plan

Dispatch = Callable[[Call, Attempt], Awaitable[Reply]]


async def drive(plan: Plan, call: Call, dispatch: Dispatch, clock: Clock) -> Reply:
    """Raises the last attempt's error where no attempt succeeded. The call's row tells of those before it."""
    try:
        attempt = next(plan)
        while True:
            if attempt.delay_seconds:
                await clock.sleep(attempt.delay_seconds)
            call.step = attempt.step
            outcome: Outcome
            try:
                outcome = await dispatch(call, attempt)
            except GatewayError as error:
                outcome = error
            made, attempt = attempt, plan.send(outcome)
            if isinstance(outcome, GatewayError):
                call.failures += (_told(made, outcome),)
    except StopIteration as end:
        if isinstance(end.value, GatewayError):
            raise end.value from None
        reply: Reply = end.value
        return reply


def _told(attempt: Attempt, error: GatewayError) -> str:
    return f"step {attempt.step} attempt {attempt.number}: {error.message[:200]}"
