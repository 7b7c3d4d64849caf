"""Moves log records from the journal to the database, in groups, and gives up what is there. When the database is
out it tries again and again, and the records stay in the journal."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import msgspec

from isthmus.storage.journal import Journal, Position
from isthmus.storage.protocols import StorageError
from isthmus.storage.sql import log_rows
from isthmus.storage.sql.database import Database, StatementRefused, Transaction

_log = logging.getLogger(__name__)


class DrainLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`gather_seconds`: how long the first record of a group waits for others. The rest bounds a group's size, the
    time between two tries while the database is out, and the time that closing may take."""

    gather_seconds: float = 0.2
    group_bytes: int = 4 * 1024 * 1024
    retry_first_seconds: float = 0.1
    retry_last_seconds: float = 5.0
    close_seconds: float = 10.0


class LogDrain:
    """Made inside a running loop, whose thread is the one that calls it. `idle` when nothing was appended since it
    caught up: then, and only then, an append must `wake` it. `failure` is why the database is out, None when it is
    not; `lost` counts records that were unreadable or refused."""

    def __init__(self, journal: Journal, database: Database, limits: DrainLimits) -> None:
        self.idle = False
        self.failure: str | None = None
        self.lost = 0
        self._journal = journal
        self._database = database
        self._limits = limits
        self._position = journal.start
        self._closing = False
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._round: asyncio.Future[StorageError | None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name="log drain")

    def wake(self) -> None:
        self.idle = False
        self._work.set()

    async def settle(self) -> None:
        """Returns when all that is in the journal now is in the database. Raises `StorageError` where a try fails."""
        target = self._journal.end
        while self._position < target:
            self._hurry.set()
            self.wake()
            failure = await asyncio.shield(self._round)
            if failure is not None:
                raise StorageError(str(failure)) from failure

    async def aclose(self) -> Position:
        """Where the journal is drained to: its end, or less where the database stayed out for `close_seconds`."""
        self._closing = True
        self._hurry.set()
        self.wake()
        await asyncio.wait([self._task], timeout=self._limits.close_seconds)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        return self._position

    async def _run(self) -> None:
        while True:
            target, delay = self._journal.end, self._limits.retry_first_seconds
            while self._position < target:
                failure = await self._step(target)
                self._announce(failure)
                if failure is not None:
                    await self._wait(delay)
                    delay = min(delay * 2, self._limits.retry_last_seconds)
            if self._closing and self._position >= self._journal.end:
                return
            await self._gather()

    async def _gather(self) -> None:
        if self._position >= self._journal.end:
            self.idle = True
            await self._work.wait()
        self._work.clear()
        await self._wait(self._limits.gather_seconds)

    async def _wait(self, seconds: float) -> None:
        """Or less, when somebody is in a hurry."""
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass
        self._hurry.clear()

    async def _step(self, target: Position) -> StorageError | None:
        """One group. Why it failed."""
        group = partial(self._write_group, self._position, target)
        reason: Exception | str = "they cannot be read"
        try:
            try:
                self._position, lost = await self._database.write(partial(group, False))
            except StatementRefused as error:  # a row that an earlier process wrote before it died, or nonsense
                reason = error
                self._position, lost = await self._database.write(partial(group, True))
        except StorageError as error:
            return error
        except Exception as error:  # whatever it is: a drain that died would lose all that follows, in silence
            return StorageError(f"Log rows cannot be written: {error!r}.")
        if lost:
            self.lost += lost
            _log.error("%d log rows are lost: %s", lost, reason)
        return None

    def _write_group(
        self, start: Position, stop: Position, each: bool, transaction: Transaction
    ) -> tuple[Position, int]:
        self._journal.discard(start)
        records, position = self._journal.read(start, stop, self._limits.group_bytes)
        write = log_rows.write_each if each else log_rows.write
        return position, write(transaction, records)

    def _announce(self, failure: StorageError | None) -> None:
        if failure is not None and self.failure is None:
            _log.error("The log store is out; rows wait in the journal, calls go on: %s", failure)
        if failure is None and self.failure is not None:
            _log.warning("The log store is back.")
        self.failure = None if failure is None else str(failure)
        ended, self._round = self._round, asyncio.get_running_loop().create_future()
        ended.set_result(failure)
