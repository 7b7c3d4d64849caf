"""What has been used of limits, in one process's memory."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import msgspec

from isthmus.core.rates.claim import Claim, Standing, Taken, Ticket
from isthmus.storage.memory.counted import Counter, FixedWindow, InFlight, Marks, SlidingLog

RULE_SLASHES = 2
"""In a rule's own key: account, gateway, rule. That of a value's counter has another part behind it."""

DROPPED_AT_ONCE = 32
"""Counters that are looked at, whether they are over, for each call: they go faster than calls can make new ones."""


class CounterLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`counters`: whose window is not over, of which one account has no more than are free. `marks`: times that one
    sliding window keeps before it grows coarser; `marks_in_all`: of all of them, beyond which each is as coarse as with
    `crowded_marks`."""

    counters: int = 100_000
    marks: int = 10_000
    marks_in_all: int = 2_000_000
    crowded_marks: int = 20


class MemoryCounters:
    """`Counters`. Nothing here waits, so that each operation is one step.

    Whoever names counters (values of metadata) could name any number of them. One whose window is over counts nothing
    any more and is dropped; a live one never is, since forgotten it would admit more than its limit. Where all that
    there may be are live, what asks for another is refused: a limit that cannot be kept is no reason to do without.

    Nobody takes the room of others. Counters for values are made while those of their rule and those of their account
    together are fewer than are free: one rule has a third of the room at most, one account half, and the next ones the
    same of what is left. One that a rule has for itself needs no more than room.
    """

    def __init__(self, limits: CounterLimits | None = None) -> None:
        self._limits = limits or CounterLimits()
        self._marks = Marks(self._limits.marks, self._limits.marks_in_all, self._limits.crowded_marks)
        self._counters: dict[str, Counter] = {}
        self._held: dict[str, int] = {}  # how many, by their rules' names and by their accounts'
        self._ends: list[tuple[float, str]] = []  # a heap, each counter in it once: when it may be over
        self._now = 0.0

    async def take(self, ticket_id: str, claims: Sequence[Claim], now: float) -> Taken:
        now = self._forward(now)
        if self._ends and self._ends[0][0] <= now:
            self._drop(now)  # before any is looked up: those that this call adds to are not over
        counters: list[Counter] = []
        made: dict[str, Counter] = {}  # kept if nothing refuses: who is refused takes up no room
        refused: Standing | None = None
        for claim in claims:
            counter = self._counters.get(claim.key) or self._new(claim, made)
            if counter is None:
                first = Standing(claim=claim, remaining=0, reset_seconds=max(0.0, self._ends[0][0] - now))
                return Taken(ticket=None, refused=first, full=True)
            left = claim.limit - counter.used(now)
            if left < claim.amount:
                wait = counter.wait(claim.amount - left, now)
                if refused is None or wait > refused.reset_seconds:
                    refused = Standing(claim=claim, remaining=max(0, left), reset_seconds=wait)
            counters.append(counter)
        if refused is not None:
            return Taken(ticket=None, refused=refused)
        self._keep(made, now)
        tightest: Claim | None = None
        least, reset_seconds = 0, 0.0
        for claim, counter in zip(claims, counters, strict=True):
            used = counter.add(ticket_id, claim, now)
            if claim.window_seconds:
                left = claim.limit - used
                if tightest is None or left * tightest.limit < least * claim.limit:
                    tightest, least, reset_seconds = claim, left, counter.wait(1, now)
        standing = None
        if tightest is not None:
            standing = Standing(claim=tightest, remaining=least, reset_seconds=reset_seconds)
        return Taken(ticket=Ticket(id=ticket_id, claims=tuple(claims)), tightest=standing)

    def settle(self, ticket: Ticket, tokens: int | None, now: float) -> None:
        now = self._forward(now)
        for claim in ticket.claims:
            counter = self._counters.get(claim.key)
            if counter is not None and claim.measure != "requests":
                counter.settle(ticket.id, claim.amount, tokens, now)

    async def renew(self, tickets: Sequence[Ticket], now: float) -> None:
        now = self._forward(now)
        for ticket in tickets:
            for claim in ticket.claims:
                counter = self._counters.get(claim.key)
                if isinstance(counter, InFlight):
                    counter.renew(ticket.id, now)

    def _forward(self, now: float) -> float:
        if now > self._now:
            self._now = now
        return self._now

    def _new(self, claim: Claim, made: dict[str, Counter]) -> Counter | None:
        """None where there is no room for it."""
        free = self._limits.counters - len(self._counters)
        if sum(self._held.get(owner, 0) for owner in _owners(claim.key)) >= free:
            return None
        counter: Counter
        if claim.measure == "in_flight":
            counter = InFlight()
        elif claim.technique == "fixed":
            counter = FixedWindow(claim.window_seconds)
        else:
            counter = SlidingLog(claim.window_seconds, self._marks)
        made[claim.key] = counter
        return counter

    def _keep(self, made: Mapping[str, Counter], now: float) -> None:
        for key, counter in made.items():
            self._counters[key] = counter
            heapq.heappush(self._ends, (counter.due(now), key))
            for owner in _owners(key):
                self._held[owner] = self._held.get(owner, 0) + 1

    def _drop(self, now: float) -> None:
        """Some of those that are over."""
        ends = self._ends
        for _ in range(DROPPED_AT_ONCE):
            if not ends or ends[0][0] > now:
                return
            key = ends[0][1]
            counter = self._counters[key]
            if counter.is_over(now):
                heapq.heappop(ends)
                del self._counters[key]
                self._release(key)
            else:
                heapq.heapreplace(ends, (counter.due(now), key))

    def _release(self, key: str) -> None:
        for owner in _owners(key):
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]


def _owners(key: str) -> tuple[str, ...]:
    """Of a value's counter its rule and its account. One that is a rule's own has none: there are as many as are
    configured."""
    rule, _, _ = key.rpartition("/")
    return (rule, key.partition("/")[0]) if rule.count("/") == RULE_SLASHES else ()
