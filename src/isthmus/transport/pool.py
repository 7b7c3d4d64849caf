"""The connections to one origin: those at rest, those at work, and the callers who wait for one."""

from __future__ import annotations

import asyncio
from collections import deque

from isthmus.transport import faults
from isthmus.transport.exchange.connection import Connection
from isthmus.transport.limits import TransportLimits
from isthmus.transport.route.dial import Dialer, Route


class Waiter:
    """Somebody who waits for a connection; `given` one, or None for a slot. `fresh`: only a slot will do."""

    __slots__ = ("fresh", "given")

    def __init__(self, *, fresh: bool) -> None:
        self.fresh = fresh
        self.given: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()


class Pool:
    """A slot is the right to hold a connection, open or being opened. A slot or a connection that comes free goes to
    whoever has waited longest."""

    __slots__ = (
        "_dialer",
        "_emptied",
        "_idle",
        "_open",
        "_route",
        "_shut",
        "_slots_taken",
        "_waiting",
        "after_target",
        "limits",
        "peer",
        "target_prefix",
    )

    def __init__(self, route: Route, dialer: Dialer, limits: TransportLimits) -> None:
        self._route = route
        self.peer = route.origin.peer
        self.target_prefix = route.target_prefix
        self.after_target = route.after_target
        self.limits = limits
        self._dialer = dialer
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._slots_taken = 0
        self._waiting: deque[Waiter] = deque()
        self._emptied: asyncio.Future[None] | None = None
        self._shut = False

    @property
    def quiet(self) -> bool:
        return self._slots_taken == len(self._idle)

    def take(self) -> Connection | None:
        """The connection that was used last: the likeliest to be alive still."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def connect(self, seconds: float, *, fresh: bool = False) -> Connection:
        """A new connection; at the limit, whatever comes free first. `fresh`: new at the limit too, where one that
        rests, or comes free, is closed for it."""
        deadline = asyncio.get_running_loop().time() + seconds
        if self._slots_taken < self.limits.max_connections_per_origin:
            self._slots_taken += 1
        else:
            if fresh and self._idle:
                self._idle.pop(0).abort()
            connection = await self._wait(Waiter(fresh=fresh), deadline, seconds)
            if connection is not None:
                return connection
        return await self._open_one(deadline, seconds)

    def release(self, connection: Connection) -> None:
        waiter = self._first_waiting() if self._waiting else None
        if waiter is not None and waiter.fresh:
            connection.abort()  # its slot goes to them, as soon as it is free
        elif waiter is not None:
            self._waiting.popleft().given.set_result(connection)
        elif len(self._idle) < self.limits.max_idle_per_origin:
            self._idle.append(connection)
        else:
            connection.abort()

    def forget(self, connection: Connection) -> None:
        if connection not in self._open:
            return
        self._open.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_slot()
        if self._emptied is not None and not self._emptied.done() and not self._open:
            self._emptied.set_result(None)

    def close_idle(self) -> None:
        for connection in tuple(self._idle):
            connection.abort()

    async def aclose(self) -> None:
        self._shut = True  # whoever waits is told when a slot reaches them
        for connection in tuple(self._open):
            connection.abort()
        if self._open:
            self._emptied = self._emptied or asyncio.get_running_loop().create_future()
            await self._emptied

    async def _open_one(self, deadline: float, seconds: float) -> Connection:
        try:
            if self._shut:
                raise faults.shut_down()
            connection = await self._dialer.dial(self._route, lambda: Connection(self), deadline, seconds)
            if connection.lost:
                raise faults.closed_early(self.peer, untouched=True)
            if self._shut:
                connection.abort()
                raise faults.shut_down()
        except BaseException:
            self._free_slot()
            raise
        self._open.add(connection)
        return connection

    async def _wait(self, waiter: Waiter, deadline: float, seconds: float) -> Connection | None:
        """A connection, or None for a slot."""
        if len(self._waiting) >= self.limits.max_waiting_per_origin:
            raise faults.crowded(self.peer, len(self._waiting))
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._await(waiter)
        except TimeoutError:
            raise faults.no_slot(self.peer, self.limits.max_connections_per_origin, seconds) from None

    async def _await(self, waiter: Waiter) -> Connection | None:
        try:
            return await waiter.given
        except asyncio.CancelledError:
            if not waiter.given.cancelled():
                self._pass_back(waiter.given.result())
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise

    def _pass_back(self, connection: Connection | None) -> None:
        if connection is None:
            self._free_slot()
        elif not connection.closed:
            self.release(connection)

    def _first_waiting(self) -> Waiter | None:
        while self._waiting:
            if not self._waiting[0].given.done():
                return self._waiting[0]
            self._waiting.popleft()
        return None

    def _free_slot(self) -> None:
        if self._first_waiting() is None:
            self._slots_taken -= 1
        else:
            self._waiting.popleft().given.set_result(None)
