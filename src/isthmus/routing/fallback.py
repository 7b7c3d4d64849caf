"""One plan after the other, until one has an answer (data-plane 9.7)."""

from __future__ import annotations

from isthmus.core.reply import Reply
from isthmus.errors import CallerLeft
from isthmus.routing.plan import Plan


def fallback(first: Plan, *others: Plan) -> Plan:
    """Whatever went wrong with one plan, the next is tried; unless nobody waits any more. The last outcome counts."""
    outcome = yield from first
    for plan in others:
        if isinstance(outcome, Reply | CallerLeft):
            break
        outcome = yield from plan
    return outcome
