"""A plan yields an attempt, is sent how it went, and returns the last outcome. It never sleeps or reads a clock.

Plans compose with `yield from`; retries, fallback, splits and graphs are plans of their own, one file each.
"""

from __future__ import annotations

from collections.abc import Generator

from isthmus.core.attempt import Attempt, Outcome, Target

Plan = Generator[Attempt, Outcome, Outcome]


def once(target: Target) -> Plan:
    """One attempt, whatever comes of it."""
    return (yield Attempt(target=target))
