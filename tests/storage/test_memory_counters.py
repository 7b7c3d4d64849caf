"""Counters of limits against a plain reference, with a clock that also steps back; and that they stay within bounds.

The machine knows nothing of how they count: another implementation of the protocol is another `make`.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from msgspec import structs

from isthmus.core.rates.claim import LEASE_SECONDS, Claim, Taken, Ticket
from isthmus.storage.memory.counters import CounterLimits, MemoryCounters
from isthmus.storage.protocols import Counters

NOW = 1_700_000_000.0
WINDOW = 10
CLAIMS = (
    Claim(key="fixed", measure="requests", limit=3, window_seconds=WINDOW),
    Claim(key="sliding", measure="requests", limit=3, window_seconds=WINDOW, technique="sliding"),
    Claim(key="fixed tokens", measure="tokens", limit=20, window_seconds=WINDOW),
    Claim(key="sliding tokens", measure="tokens", limit=20, window_seconds=7, technique="sliding"),
    Claim(key="in flight", measure="in_flight", limit=2),
)


def make(**limits: int) -> Counters:
    return MemoryCounters(CounterLimits(**limits))


class Reference:
    """Everything that was ever admitted, counted anew each time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.taken: list[tuple[str, Claim, float]] = []
        self.amounts: dict[tuple[str, str], int] = {}
        self.unsettled: set[tuple[str, str]] = set()
        self.leases: dict[tuple[str, str], float] = {}

    def used(self, claim: Claim) -> list[tuple[float, int]]:
        """When what is used comes back, and how much."""
        if claim.measure == "in_flight":
            return [(end, 1) for (key, _), end in self.leases.items() if key == claim.key and end > self.now]
        found = []
        for ticket, each, time in self.taken:
            seconds = claim.window_seconds
            end = time + seconds if claim.technique == "sliding" else (time // seconds + 1) * seconds
            if each.key == claim.key and end > self.now:
                found.append((end, self.amounts[claim.key, ticket]))
        return sorted(found)

    def left(self, claim: Claim) -> int:
        return claim.limit - sum(amount for _, amount in self.used(claim))

    def wait(self, claim: Claim, needed: int) -> float:
        if claim.measure == "in_flight":
            return 1.0
        if claim.technique == "fixed":
            return (self.now // claim.window_seconds + 1) * claim.window_seconds - self.now
        end = self.now
        for end, amount in self.used(claim):  # noqa: B007  # the last one is wanted
            needed -= amount
            if needed <= 0:
                break
        return end - self.now

    def take(self, ticket: str, claims: Sequence[Claim]) -> None:
        for claim in claims:
            if claim.measure == "in_flight":
                self.leases[claim.key, ticket] = self.now + LEASE_SECONDS
            else:
                self.taken.append((ticket, claim, self.now))
                self.amounts[claim.key, ticket] = claim.amount
                self.unsettled.add((claim.key, ticket))

    def settle(self, ticket: Ticket, tokens: int | None) -> None:
        for claim in ticket.claims:
            place = claim.key, ticket.id
            self.leases.pop(place, None)
            if place in self.unsettled and claim.measure == "tokens" and tokens is not None:
                self.amounts[place] = tokens
            self.unsettled.discard(place)

    def renew(self, ticket: Ticket) -> None:
        for claim in ticket.claims:
            place = claim.key, ticket.id
            if self.leases.get(place, 0.0) > self.now:
                self.leases[place] = self.now + LEASE_SECONDS


class Counting(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.counters = make()
        self.reference = Reference()
        self.now = NOW
        self.made = 0
        self.tickets: list[Ticket] = []

    def teardown(self) -> None:
        self.runner.close()

    @initialize(offset=st.integers(0, 4 * WINDOW))
    def begin(self, offset: int) -> None:
        self.step(offset)

    @rule(quarters=st.integers(-40, 44) | st.integers(-3, 6) | st.just(4 * 61))
    def step(self, quarters: int) -> None:
        """Quarters of a second, back too: what the clock says then is believed when it says more than before."""
        self.now += quarters / 4

    def seen(self) -> Reference:
        """The reference, with the time that the counters are told."""
        self.reference.now = max(self.reference.now, self.now)
        return self.reference

    @rule(
        which=st.sets(st.sampled_from(range(len(CLAIMS))), min_size=1),
        amount=st.integers(1, 21) | st.integers(1, 4),
    )
    def take(self, which: set[int], amount: int) -> None:
        claims = [CLAIMS[index] for index in sorted(which)]
        claims = [structs.replace(each, amount=amount) if each.measure == "tokens" else each for each in claims]
        reference = self.seen()
        self.made += 1
        ticket_id = f"ticket {self.made}"
        taken: Taken = self.runner.run(self.counters.take(ticket_id, claims, self.now))
        missing = [claim for claim in claims if claim.amount > reference.left(claim)]
        if missing:
            assert taken.ticket is None and taken.refused is not None and not taken.full
            waits = {claim.key: reference.wait(claim, claim.amount - reference.left(claim)) for claim in missing}
            refused = taken.refused.claim
            assert taken.refused.reset_seconds == waits[refused.key] == max(waits.values())
            assert taken.refused.remaining == max(0, reference.left(refused))
            return
        assert taken.ticket == Ticket(id=ticket_id, claims=tuple(claims))
        reference.take(ticket_id, claims)
        self.tickets.append(taken.ticket)
        windows = [claim for claim in claims if claim.window_seconds]
        assert (taken.tightest is not None) == bool(windows)
        if taken.tightest is not None:
            told = taken.tightest.claim
            assert taken.tightest.remaining == reference.left(told)
            assert taken.tightest.reset_seconds == reference.wait(told, 1)
            shares = [reference.left(claim) / claim.limit for claim in windows]
            assert reference.left(told) / told.limit == min(shares)

    @precondition(lambda self: self.tickets)
    @rule(data=st.data(), tokens=st.none() | st.integers(0, 30))
    def settle(self, data: st.DataObject, tokens: int | None) -> None:
        """All of a ticket or some of it, and again."""
        ticket = data.draw(st.sampled_from(self.tickets))
        some = data.draw(st.lists(st.sampled_from(ticket.claims), unique=True))
        part = Ticket(id=ticket.id, claims=tuple(some))
        self.counters.settle(part, tokens, self.now)
        self.seen().settle(part, tokens)

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        tickets = data.draw(st.lists(st.sampled_from(self.tickets), unique=True, max_size=3))
        self.runner.run(self.counters.renew(tickets, self.now))
        reference = self.seen()
        for ticket in tickets:
            reference.renew(ticket)


def test_whatever_happens_they_count_as_the_reference_does() -> None:
    run_state_machine_as_test(Counting, settings=settings(max_examples=80, stateful_step_count=40, deadline=None))


# Windows.


def requests(technique: Any, limit: int = 2, key: str = "k", window: int = WINDOW) -> Claim:
    return Claim(key=key, measure="requests", limit=limit, window_seconds=window, technique=technique)


async def admitted(counters: Counters, claim: Claim, now: float, count: int = 1) -> int:
    return sum([(await counters.take(f"{now} {n}", (claim,), now)).ticket is not None for n in range(count)])


async def test_30_fixed_windows_begin_at_multiples_of_their_length() -> None:
    counters, claim = make(), requests("fixed")
    assert await admitted(counters, claim, NOW + 9.75, 3) == 2
    assert await admitted(counters, claim, NOW + 9.999) == 0
    assert await admitted(counters, claim, NOW + 10, 3) == 2


async def test_31_a_sliding_window_passes_as_soon_as_the_oldest_leaves() -> None:
    counters, claim = make(), requests("sliding")
    for now, passes in ((0, 1), (9, 1), (9.75, 0), (10, 1), (10, 0), (18.75, 0), (19, 1)):
        assert await admitted(counters, claim, NOW + now) == passes, now


async def test_time_that_steps_back_stands_still() -> None:
    counters = make()
    for technique in ("fixed", "sliding"):
        claim = requests(technique, key=technique)
        assert await admitted(counters, claim, NOW + 25, 2) == 2
        assert await admitted(counters, claim, NOW - 3600, 2) == 0  # no window of the past is open again
        assert await admitted(counters, claim, NOW + 26) == 0


@pytest.mark.parametrize("technique", ["fixed", "sliding"])
async def test_32_what_is_refused_does_not_count_anywhere(technique: Any) -> None:
    counters = make()
    wide, narrow = requests(technique, 5, "wide"), requests(technique, 1, "narrow")
    for number in range(4):
        taken = await counters.take(f"both {number}", (wide, narrow), NOW)
        assert (taken.ticket is not None) == (number == 0)
    assert await admitted(counters, wide, NOW, 9) == 4


async def test_of_several_that_refuse_the_longest_is_told() -> None:
    counters = make()
    short, long = requests("fixed", 1, "short", 10), requests("fixed", 1, "long", 3600)
    await counters.take("first", (short, long), NOW)
    taken = await counters.take("second", (short, long), NOW)
    assert taken.refused is not None and taken.refused.claim == long


async def test_a_limit_that_is_lowered_holds_at_once() -> None:
    counters = make()
    assert await admitted(counters, requests("sliding", 9), NOW, 9) == 9
    taken = await counters.take("more", (requests("sliding", 3),), NOW + 1)
    assert taken.refused is not None and (taken.refused.remaining, taken.refused.reset_seconds) == (0, 9)


async def test_leases_that_nobody_renews_run_out() -> None:
    counters, claim = make(), Claim(key="k", measure="in_flight", limit=2)
    first, second = [(await counters.take(each, (claim,), NOW)).ticket for each in ("a", "b")]
    assert first is not None and second is not None
    assert await admitted(counters, claim, NOW) == 0
    await counters.renew((first,), NOW + LEASE_SECONDS / 2)
    assert await admitted(counters, claim, NOW + LEASE_SECONDS, 2) == 1
    await counters.renew((second,), NOW + LEASE_SECONDS)  # it has run out, and another has its place
    assert await admitted(counters, claim, NOW + LEASE_SECONDS) == 0


# Bounds.


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 3)), min_size=20, max_size=120),
    st.sampled_from([{"marks": 8}, {"marks": 1000, "marks_in_all": 6, "crowded_marks": 8}]),
)
def test_where_marks_are_merged_no_more_is_admitted_than_the_limit(
    steps: list[tuple[int, int]], bounds: dict[str, int]
) -> None:
    """And what is refused is refused for a quarter of the window too long at most, marks being half of the bound."""
    counters, limit, seconds = make(**bounds), 30, 64
    now, accepted = NOW, list[tuple[float, int]]()
    with asyncio.Runner() as runner:
        for number, (quarters, amount) in enumerate(steps):
            now += quarters / 4
            claim = structs.replace(requests("sliding", limit, window=seconds), amount=amount)
            taken = runner.run(counters.take(str(number), (claim,), now))
            if taken.ticket is not None:
                accepted.append((now, amount))
            assert sum(taken for time, taken in accepted if time > now - seconds) <= limit
            if taken.ticket is None:
                assert sum(taken for time, taken in accepted if time > now - seconds * 1.25) + amount > limit


async def test_a_busy_sliding_window_takes_little_memory() -> None:
    counters = make()
    claim = requests("sliding", 10**6, window=1000)
    tracemalloc.start()
    for number in range(30_000):
        await counters.take("ticket", (claim,), NOW + number / 60)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 600_000
    taken = await counters.take("ticket", (structs.replace(claim, amount=10**6 - 30_000),), NOW + 500)
    assert taken.tightest is not None and taken.tightest.remaining == 0  # none of them is forgotten


@pytest.mark.parametrize("claim", [requests("fixed"), requests("sliding"), Claim(key="", measure="in_flight", limit=1)])
async def test_counters_whose_time_is_over_make_room(claim: Claim) -> None:
    """Their names are callers' own text: there may be any number of them."""
    counters = make(counters=200)
    tracemalloc.start()
    for number in range(10_000):
        now = NOW + number / 10  # 100 of them in a window
        taken = await counters.take("t", (structs.replace(claim, key=f"value {number}"),), now)
        assert taken.ticket is not None, number
        if claim.measure == "in_flight":
            counters.settle(taken.ticket, None, now)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 400_000


async def test_where_all_are_live_another_is_refused_and_none_forgotten() -> None:
    counters = make(counters=3)
    claims = [requests("fixed", 2, str(number)) for number in range(5)]
    for claim in claims[:3]:
        assert await admitted(counters, claim, NOW + 4) == 1
    taken = await counters.take("another", (claims[0], claims[3]), NOW + 4)
    assert taken.ticket is None and taken.full
    assert taken.refused is not None and taken.refused.reset_seconds == 6
    for claim in claims[:3]:
        assert await admitted(counters, claim, NOW + 4, 2) == 1  # nor was anything taken with the one refused
    assert await admitted(counters, claims[4], NOW + 10) == 1


def of_value(account: str, number: int, rule: str = "rule") -> Claim:
    return Claim(key=f"{account}/gateway/{rule}/{number}", measure="requests", limit=9, window_seconds=10**6)


async def test_no_account_and_no_rule_takes_the_room_of_others() -> None:
    counters = make(counters=900)

    async def made(account: str, rule: str = "rule") -> int:
        taken = [await counters.take("t", (of_value(account, number, rule),), NOW) for number in range(1000)]
        return sum(not each.full for each in taken)

    assert await made("a") == 300  # a third of the room
    assert [await made("a", f"rule {number}") for number in range(8)] == [100, 34, 11, 4, 1, 0, 0, 0]  # half of it
    assert await made("b") == 150
    own = Claim(key="a/gateway/its own", measure="requests", limit=1, window_seconds=10)
    assert (await counters.take("t", (own,), NOW)).ticket is not None  # what is for no value has room
    assert (await counters.take("t", (of_value("a", 0),), NOW)).ticket is not None  # nor is any forgotten


async def test_who_is_refused_takes_up_no_room() -> None:
    counters = make(counters=900)
    first = requests("fixed", 1, "a/gateway/first")
    for number in range(1000):
        await counters.take("t", (first, of_value("a", number)), NOW)
    assert not (await counters.take("t", (of_value("a", 1000),), NOW)).full
    assert len([1 for number in range(1000) if (await counters.take("t", (of_value("b", number),), NOW)).ticket]) > 290


async def test_what_is_over_gives_its_account_room_again() -> None:
    counters = make(counters=9)
    for window in range(20):
        claims = [structs.replace(of_value("a", number), window_seconds=WINDOW) for number in range(5)]
        taken = [await counters.take("t", (claim,), NOW + window * WINDOW) for claim in claims]
        assert [each.full for each in taken] == [False, False, False, True, True]
