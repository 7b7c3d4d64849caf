"""While the database is out: calls go on, memory stays flat, rows wait, and all is well when it is back."""

import asyncio
import itertools
import logging
import resource
import signal
import sqlite3
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from isthmus.core.entry import LogEntry
from isthmus.storage.journal import Journal, JournalLimits
from isthmus.storage.open import Storage, StorageLimits, open_storage
from isthmus.storage.protocols import LogQuery, StorageError
from isthmus.storage.sql.database import Database, T, Transaction
from isthmus.storage.sql.dialect import SqlDialect
from isthmus.storage.sql.logs import SqlLogs

MakeEntry = Callable[..., LogEntry]
EVERYTHING = LogQuery(account_id="account", gateway_id="gateway", per_page=1_000_000, descending=False)
ERRORS = {"storage": StorageError("out of order"), "bug": ZeroDivisionError("a mistake of ours")}


class FailingDatabase:
    """Another database, which fails with `error` while there is one: before it does anything, or `late`, at the
    commit. `tried` is set by each write that it fails."""

    def __init__(self, real: Database) -> None:
        self.error: Exception | None = None
        self.late = False
        self.tried = asyncio.Event()
        self._real = real

    @property
    def dialect(self) -> SqlDialect:
        return self._real.dialect

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._real.read(work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        error = self.error
        if error is None:
            return await self._real.write(work)

        def fail(transaction: Transaction) -> T:
            work(transaction)
            raise error

        try:
            if self.late:
                return await self._real.write(fail)
            raise error
        finally:
            self.tried.set()

    async def aclose(self) -> None:
        await self._real.aclose()


@pytest.fixture
async def database(storage: Storage) -> FailingDatabase:
    return FailingDatabase(storage.database)


@pytest.fixture
async def logs(database: FailingDatabase, tmp_path: Path, limits: StorageLimits) -> AsyncIterator[SqlLogs]:
    journal = Journal(tmp_path / "other" / "journal", JournalLimits(segment_bytes=100_000, total_bytes=1_000_000))
    opened = SqlLogs(database, journal, limits.drain)
    yield opened
    database.error = None
    await opened.aclose()


async def ids(logs: SqlLogs) -> list[str]:
    return [entry.id for entry in (await logs.list(EVERYTHING)).entries]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.execute("ROLLBACK")
    other.close()


async def test_rows_wait_for_another_process_to_let_go(
    storage: Storage, entry: MakeEntry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logs = storage.logs
    logs.append(entry(0))
    assert await ids(logs) == ["entry-000000"]
    with locked(tmp_path / "isthmus.db"):
        for number in range(1, 500):
            logs.append(entry(number))
        for _ in range(3):
            with pytest.raises(StorageError, match="database is locked"):
                await logs.list(EVERYTHING)
        assert not logs.health.healthy
        assert "database is locked" in str(logs.health.failure)
    assert await ids(logs) == [f"entry-{number:06d}" for number in range(500)]
    assert (logs.health.healthy, logs.health.failure, logs.health.lost) == (True, None, 0)
    told = [record.levelno for record in caplog.records if record.name.startswith("isthmus")]
    assert told == [logging.ERROR, logging.WARNING], "once when it goes, once when it is back"


@pytest.mark.parametrize("kind", ERRORS)
async def test_a_database_that_is_out_is_tried_until_it_is_back(
    database: FailingDatabase, logs: SqlLogs, entry: MakeEntry, kind: str
) -> None:
    database.error = ERRORS[kind]
    logs.append(entry(1))
    for _ in range(5):
        database.tried.clear()
        await asyncio.wait_for(database.tried.wait(), 10)
    assert not logs.health.healthy
    database.error = None
    assert await ids(logs) == ["entry-000001"]
    assert logs.health.healthy


async def test_what_failed_at_its_commit_is_written_again(
    database: FailingDatabase, logs: SqlLogs, entry: MakeEntry
) -> None:
    database.error, database.late = ERRORS["storage"], True
    for number in range(300):
        logs.append(entry(number, request_body=b"x" * 2000))
    for _ in range(3):
        database.tried.clear()
        await asyncio.wait_for(database.tried.wait(), 10)
    database.error = None
    assert await ids(logs) == [f"entry-{number:06d}" for number in range(300)]
    assert logs.health.lost == 0


async def test_tries_become_rarer(database: FailingDatabase, logs: SqlLogs, entry: MakeEntry) -> None:
    """5 ms, then 10, then 20 and 20 again: what `limits` says."""
    database.error = ERRORS["storage"]
    loop, times = asyncio.get_running_loop(), []
    logs.append(entry(1))
    for _ in range(6):
        database.tried.clear()
        await asyncio.wait_for(database.tried.wait(), 10)
        times.append(loop.time())
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    least = [0.005, 0.01, 0.02, 0.02, 0.02]
    assert all(wait > enough * 0.9 for wait, enough in zip(waits, least, strict=True)), waits


async def test_memory_stays_flat_and_the_oldest_rows_are_kept(
    database: FailingDatabase, logs: SqlLogs, entry: MakeEntry, caplog: pytest.LogCaptureFixture
) -> None:
    database.error = ERRORS["storage"]
    body = b"x" * 2000
    tracemalloc.start()
    try:
        for number in range(5000):
            logs.append(entry(number, request_body=body))
            if number % 100 == 0:
                await asyncio.sleep(0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000, "5,000 rows are 11 MB"
    kept = 5000 - logs.health.lost
    assert 400 < kept < 500
    assert logs.health.journal_bytes <= 1_000_000
    losses = [record.message for record in caplog.records if "lost" in record.message]
    assert len(losses) == 1, "once a minute"
    assert "The journal is full: 1000000 bytes wait for the database" in losses[0]

    database.error = None
    assert await ids(logs) == [f"entry-{number:06d}" for number in range(kept)]
    logs.append(entry(9000, request_body=body))
    assert (await ids(logs))[-1] == "entry-009000"
    assert logs.health.journal_bytes <= 100_000


async def test_a_full_disk_stops_nobody(storage: Storage, entry: MakeEntry) -> None:
    """The limit on a file's size stands for it: journal and database fail alike."""
    logs = storage.logs
    logs.append(entry(0))
    await ids(logs)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
        for number in range(1, 200):
            logs.append(entry(number, response_body=b"x" * 1000))
        with pytest.raises(StorageError):
            await logs.list(EVERYTHING)
        assert not logs.health.healthy
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    kept = await ids(logs)
    assert kept == [f"entry-{number:06d}" for number in range(len(kept))]
    assert len(kept) + logs.health.lost == 200
    assert 20 < len(kept) < 30
    logs.append(entry(900))
    assert (await ids(logs))[-1] == "entry-000900"
    assert logs.health.healthy


async def test_closing_without_the_database_leaves_the_rows(
    database_url: str, tmp_path: Path, limits: StorageLimits, entry: MakeEntry
) -> None:
    storage = await open_storage(tmp_path, database_url, limits)
    with locked(tmp_path / "isthmus.db"):
        for number in range(100):
            storage.logs.append(entry(number))
        with pytest.raises(StorageError, match="stay in the journal until the next start"):
            await storage.aclose()
    later = await open_storage(tmp_path, database_url, limits)
    assert len(await ids(later.logs)) == 100
    await later.aclose()


async def test_closing_writes_what_waits_behind_a_failure(
    database: FailingDatabase, logs: SqlLogs, entry: MakeEntry
) -> None:
    database.error = ERRORS["storage"]
    logs.append(entry(1))
    await asyncio.wait_for(database.tried.wait(), 10)
    closing = asyncio.create_task(logs.aclose())
    database.tried.clear()
    await asyncio.wait_for(database.tried.wait(), 10)
    database.error = None
    await closing
    assert logs.health.lost == 0


async def test_a_caller_who_leaves_disturbs_no_other(
    database: FailingDatabase, logs: SqlLogs, entry: MakeEntry
) -> None:
    logs.append(entry(1))
    leaving, staying = asyncio.create_task(ids(logs)), asyncio.create_task(ids(logs))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == ["entry-000001"]
    with pytest.raises(asyncio.CancelledError):
        await leaving
