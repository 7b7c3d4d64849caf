"""Log rows in SQL. What is appended is in the journal at once and in the database soon after."""

from __future__ import annotations

import logging
from functools import partial

import msgspec

from isthmus.clock import Clock, SystemClock
from isthmus.core.entry import LogEntry
from isthmus.storage.journal import Journal
from isthmus.storage.protocols import LogPage, LogQuery, StorageError
from isthmus.storage.sql import log_query, log_rows
from isthmus.storage.sql.database import Database, Transaction
from isthmus.storage.sql.log_drain import DrainLimits, LogDrain

COMPLAINT_SECONDS = 60.0

_encode = msgspec.msgpack.Encoder().encode
_log = logging.getLogger(__name__)


class LogHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`failure`: why the database takes no rows (they wait in the journal), None when it does. `lost`: rows since the
    start that will never be there, as the journal was full or the row nonsense. `journal_bytes` wait for the database,
    or are written there and not yet given up."""

    healthy: bool
    failure: str | None
    lost: int
    journal_bytes: int


class SqlLogs:
    """`Logs` over a `Database` and a `Journal`, which it closes. Made inside a running loop, on whose thread all its
    methods are called. What an earlier process left in the journal is written first."""

    def __init__(
        self, database: Database, journal: Journal, limits: DrainLimits | None = None, clock: Clock | None = None
    ) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock or SystemClock()
        self._drain = LogDrain(journal, database, limits or DrainLimits())
        self._lost = 0
        self._complained_at: float | None = None

    @property
    def health(self) -> LogHealth:
        return LogHealth(
            healthy=self._drain.failure is None,
            failure=self._drain.failure,
            lost=self._lost + self._drain.lost,
            journal_bytes=self._journal.size_bytes,
        )

    def append(self, entry: LogEntry) -> None:
        try:
            self._journal.append(_encode(entry))
        except Exception as error:  # no room, or text that cannot be encoded: the call itself went well
            self._lose(error)
            return
        if self._drain.idle:
            self._drain.wake()

    async def list(self, query: LogQuery) -> LogPage:
        await self._drain.settle()
        return await self._database.read(partial(log_query.page, query, self._database.dialect))

    async def get(self, account_id: str, gateway_id: str, entry_id: str) -> LogEntry | None:
        await self._drain.settle()
        return await self._database.read(partial(_get, account_id, gateway_id, entry_id))

    async def aclose(self) -> None:
        """Raises `StorageError` where rows had to stay in the journal; they are written at the next start."""
        position = await self._drain.aclose()
        complete = position >= self._journal.end
        self._journal.close(position)
        if not complete:
            raise StorageError(f"Log rows stay in the journal until the next start: {self._drain.failure}")

    def _lose(self, error: Exception) -> None:
        self._lost += 1
        now = self._clock.monotonic()
        if self._complained_at is None or now - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = now
            _log.error("Log rows are lost, %d since the start: %s", self._lost, error)


def _get(account_id: str, gateway_id: str, entry_id: str, transaction: Transaction) -> LogEntry | None:
    rows = transaction.fetch(
        f'SELECT "sequence", {log_rows.SELECTED} FROM logs WHERE "id" = ? AND "account_id" = ? AND "gateway_id" = ?',
        (entry_id, account_id, gateway_id),
    )
    if not rows:
        return None
    sequence, *columns = rows[0]
    bodies = transaction.fetch(
        'SELECT "request_body", "response_body" FROM log_bodies WHERE "sequence" = ?', (sequence,)
    )
    return log_rows.entry(tuple(columns), *(bodies[0] if bodies else ()))
