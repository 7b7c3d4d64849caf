"""The three ways to count in memory: in windows that follow one another, in one that slides, and what is in flight."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Protocol

from isthmus.core.rates.claim import LEASE_SECONDS, Claim

IN_FLIGHT_WAIT_SECONDS = 1.0
"""When another try may help: nobody knows how long a call takes."""

CUT_MARKS = 1024
"""As many that have left the window are taken out of its list at once."""


class Counter(Protocol):
    """One counter. No method's `now` is before one that it was given already."""

    def used(self, now: float) -> int:
        """Of its limit, whatever that is."""
        ...

    def add(self, ticket_id: str, claim: Claim, now: float) -> int:
        """Right after `used`; what is used then."""
        ...

    def settle(self, ticket_id: str, amount: int, tokens: int | None, now: float) -> None:
        """What was added under this id, once: how much that really was, or that it is over."""
        ...

    def wait(self, needed: int, now: float) -> float:
        """Seconds until so much more is there, or all of it; right after `used`."""
        ...

    def due(self, now: float) -> float:
        """When it is to be asked whether it is over."""
        ...

    def is_over(self, now: float) -> bool:
        """Whether a new one would be the same."""
        ...


class FixedWindow:
    __slots__ = ("_end", "_estimates", "_seconds", "_used")

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._end = 0.0
        self._used = 0
        self._estimates: set[str] = set()  # who took what is only expected so far, in this window

    def used(self, now: float) -> int:
        if now >= self._end:
            self._end = (now // self._seconds + 1) * self._seconds
            self._used = 0
            if self._estimates:
                self._estimates = set()
        return self._used

    def add(self, ticket_id: str, claim: Claim, now: float) -> int:
        self._used += claim.amount
        if claim.measure == "tokens":
            self._estimates.add(ticket_id)
        return self._used

    def settle(self, ticket_id: str, amount: int, tokens: int | None, now: float) -> None:
        self.used(now)
        if ticket_id in self._estimates:
            self._estimates.discard(ticket_id)
            self._used += 0 if tokens is None else tokens - amount

    def wait(self, needed: int, now: float) -> float:
        return self._end - now

    def due(self, now: float) -> float:
        return (now // self._seconds + 1) * self._seconds

    def is_over(self, now: float) -> bool:
        return not self.used(now)


class Marks:
    """What the sliding windows share: how many marks there are, and how many one of them may have."""

    __slots__ = ("_crowded", "_most", "_most_in_all", "count")

    def __init__(self, most: int, most_in_all: int, crowded: int) -> None:
        self.count = 0
        self._most = most
        self._most_in_all = most_in_all
        self._crowded = crowded

    @property
    def most(self) -> int:
        return self._most if self.count < self._most_in_all else self._crowded


class SlidingLog:
    """When what was admitted. What came at one time is one mark. Where there are too many, so is what comes in one of
    half as many parts of the window, at the latest of its times: nothing is forgotten before it may be, some of it a
    little later. There are half as many again at most."""

    __slots__ = ("_amounts", "_estimates", "_first", "_marks", "_seconds", "_times", "_used")

    def __init__(self, seconds: int, marks: Marks) -> None:
        self._seconds = seconds
        self._marks = marks
        self._times = array("d")
        self._amounts: list[int] = []
        self._first = 0  # before it are those that have left the window
        self._used = 0
        self._estimates: dict[str, float] = {}  # who took what is only expected so far, and when

    def used(self, now: float) -> int:
        times, seconds = self._times, self._seconds
        first = self._first
        if first < len(times) and times[first] + seconds <= now:
            while first < len(times) and times[first] + seconds <= now:
                self._used -= self._amounts[first]
                first += 1
            self._marks.count -= first - self._first
            self._first = first
            if first == len(times) or first > CUT_MARKS:
                del times[:first], self._amounts[:first]
                self._first = 0
        return self._used

    def add(self, ticket_id: str, claim: Claim, now: float) -> int:
        self._used += claim.amount
        if claim.measure == "tokens":
            self._estimates[ticket_id] = now
        times = self._times
        if times and (times[-1] == now or self._is_near(times[-1], now)):
            times[-1] = now
            self._amounts[-1] += claim.amount
        else:
            times.append(now)
            self._amounts.append(claim.amount)
            self._marks.count += 1
        return self._used

    def _is_near(self, last: float, now: float) -> bool:
        """Whether there are too many marks for another, and these two in one part of the window."""
        most = self._marks.most
        if len(self._times) - self._first < most:
            return False
        parts = most // 2
        return last * parts // self._seconds == now * parts // self._seconds

    def settle(self, ticket_id: str, amount: int, tokens: int | None, now: float) -> None:
        self.used(now)
        taken_at = self._estimates.pop(ticket_id, None)
        if taken_at is None or tokens is None or taken_at + self._seconds <= now:
            return
        mark = bisect_left(self._times, taken_at, self._first)
        self._amounts[mark] += tokens - amount
        self._used += tokens - amount

    def wait(self, needed: int, now: float) -> float:
        leaving = now
        for mark in range(self._first, len(self._times)):
            leaving = self._times[mark] + self._seconds
            needed -= self._amounts[mark]
            if needed <= 0:
                break
        return leaving - now

    def due(self, now: float) -> float:
        return (self._times[-1] if self._times else now) + self._seconds

    def is_over(self, now: float) -> bool:
        self.used(now)
        return not self._times


class InFlight:
    """Leases, by the ids of those who have them, the first to run out first."""

    __slots__ = ("_leases",)

    def __init__(self) -> None:
        self._leases: dict[str, float] = {}

    def used(self, now: float) -> int:
        leases = self._leases
        while leases:
            ticket_id = next(iter(leases))
            if leases[ticket_id] > now:
                break
            del leases[ticket_id]
        return len(leases)

    def add(self, ticket_id: str, claim: Claim, now: float) -> int:
        self._leases[ticket_id] = now + LEASE_SECONDS
        return len(self._leases)

    def renew(self, ticket_id: str, now: float) -> None:
        self.used(now)
        if self._leases.pop(ticket_id, None) is not None:
            self._leases[ticket_id] = now + LEASE_SECONDS

    def settle(self, ticket_id: str, amount: int, tokens: int | None, now: float) -> None:
        self._leases.pop(ticket_id, None)

    def wait(self, needed: int, now: float) -> float:
        return IN_FLIGHT_WAIT_SECONDS

    def due(self, now: float) -> float:
        return now + IN_FLIGHT_WAIT_SECONDS

    def is_over(self, now: float) -> bool:
        return not self.used(now)
