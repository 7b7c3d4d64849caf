"""The same attempt again, a while later, where another try may help (data-plane 9.7)."""

from __future__ import annotations

import msgspec

from isthmus.core.attempt import Attempt, Backoff
from isthmus.core.reply import Reply
from isthmus.errors import GatewayError
from isthmus.routing.plan import Plan

ATTEMPTS_MAX = 5
DELAY_MAX_SECONDS = 60.0
RETRY_AFTER_MAX_SECONDS = 60.0
"""A provider that wants to be left alone for longer is not asked again."""


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how soon. `max_attempts` counts the first one too. `delay_seconds` is the unit that `backoff` makes
    the waits of. `timeout_seconds` is how long a provider may take to its first byte; None: as the installation says.
    """

    max_attempts: int = 1
    delay_seconds: float = 0.0
    backoff: Backoff = "constant"
    timeout_seconds: float | None = None


def retry(attempt: Attempt, rules: Retries, *, patient: bool = True) -> Plan:
    """`attempt` up to `max_attempts` times, the first at once. `patient`: nothing else is tried after it, so the last
    of several attempts waits as long as the provider needs. Where there is only one, its time-out is all that the
    caller can have meant, and holds."""
    most = min(max(1, rules.max_attempts), ATTEMPTS_MAX)
    number, delay = 1, attempt.delay_seconds
    while True:
        waits = patient and 1 < most == number
        outcome = yield msgspec.structs.replace(
            attempt, number=number, delay_seconds=delay, timeout_seconds=None if waits else rules.timeout_seconds
        )
        if isinstance(outcome, Reply) or number == most or not may_help(outcome):
            return outcome
        delay = delay_after(number, rules, outcome)
        number += 1


def may_help(error: GatewayError) -> bool:
    """Whether the same request may fare better a little later."""
    return error.retryable and (error.retry_after or 0.0) <= RETRY_AFTER_MAX_SECONDS


def delay_after(number: int, rules: Retries, error: GatewayError) -> float:
    """Seconds to wait after attempt `number`: what the rules say, or the provider where that is longer."""
    unit = min(max(0.0, rules.delay_seconds), DELAY_MAX_SECONDS)
    factors: dict[Backoff, int] = {"constant": 1, "linear": number, "exponential": 1 << (number - 1)}
    return max(unit * factors[rules.backoff], error.retry_after or 0.0)
