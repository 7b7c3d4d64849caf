"""A deadline that is cheap to move: bytes come often, timeouts hardly ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

_SLACK_SECONDS = 0.001  # uvloop counts in milliseconds


class LazyTimer:
    """Calls `expire` once the deadline has passed. Moving the deadline back costs an assignment: the loop's own timer
    stays where it is, looks at the deadline when it fires, and is armed anew for the rest."""

    __slots__ = ("_due", "_expire", "_handle", "_loop", "clock", "deadline")

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._handle: asyncio.TimerHandle | None = None
        self._due = inf
        self.clock = loop.time
        self.deadline = inf

    def set(self, seconds: float, *, look_after: float = inf) -> None:
        """The deadline from now on. With `look_after` the loop's timer is armed for no later than that, so that a
        nearer deadline soon to be set does not have to arm it again."""
        now = self.clock()
        self.deadline = now + seconds
        if self.deadline < self._due:
            self._arm(now + min(seconds, look_after))

    def push(self, seconds: float) -> None:
        """As `set`, for a deadline that can only be later than the one before."""
        self.deadline = self.clock() + seconds

    def suspend(self) -> None:
        self.deadline = inf

    def stop(self) -> None:
        self.deadline = self._due = inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._due = due
        self._handle = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._handle, self._due = None, inf
        if self.deadline == inf:
            return
        if self.deadline - self.clock() > _SLACK_SECONDS:
            self._arm(self.deadline)
        else:
            self._expire()
