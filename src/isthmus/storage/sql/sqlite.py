"""The embedded database: one thread that writes, a few that read, each with a connection of its own (SQLite in WAL
mode lets them work at the same time)."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec

from isthmus.storage.protocols import StorageError
from isthmus.storage.sql.database import Row, StatementRefused, T, Transaction, Value
from isthmus.storage.sql.dialect import SQLITE, SqlDialect

# What is wrong with a statement or its values, and not with the database.
_REFUSALS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    OverflowError,
    UnicodeEncodeError,
)


class SqliteLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`busy_seconds`: how long to wait for another process that writes. `waiting_max`: calls begun and not ended."""

    busy_seconds: float = 5.0
    readers: int = 4
    waiting_max: int = 1000


class SqliteDatabase:
    """A `Database` in one file. Connections are opened when first needed, and anew after any failure."""

    def __init__(self, path: Path, limits: SqliteLimits | None = None) -> None:
        _make_private(path)
        self._path = path
        self._limits = limits or SqliteLimits()
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")
        self._readers = ThreadPoolExecutor(self._limits.readers, "sqlite-reader")
        self._writing: sqlite3.Connection | None = None
        self._reading: deque[sqlite3.Connection] = deque()
        self._waiting = 0

    @property
    def dialect(self) -> SqlDialect:
        return SQLITE

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._run(self._readers, self._read, work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self._run(self._writer, self._write, work)

    async def aclose(self) -> None:
        await asyncio.to_thread(self._close)

    async def _run(
        self,
        threads: ThreadPoolExecutor,
        call: Callable[[Callable[[Transaction], T]], T],
        work: Callable[[Transaction], T],
    ) -> T:
        if self._waiting >= self._limits.waiting_max:
            raise StorageError(f"{self._waiting} calls wait for the database already.")
        self._waiting += 1
        try:
            future = asyncio.get_running_loop().run_in_executor(threads, call, work)
        except RuntimeError as error:
            self._waiting -= 1
            raise StorageError("The database is closed.") from error
        try:
            return await future
        finally:
            self._waiting -= 1

    def _write(self, work: Callable[[Transaction], T]) -> T:
        connection, self._writing = self._writing, None
        if connection is None:
            connection = self._connect("PRAGMA foreign_keys = ON")
        result = self._transact(connection, "BEGIN IMMEDIATE", work)
        self._writing = connection
        return result

    def _read(self, work: Callable[[Transaction], T]) -> T:
        try:
            connection = self._reading.pop()
        except IndexError:
            connection = self._connect("PRAGMA query_only = ON")
        result = self._transact(connection, "BEGIN", work)
        self._reading.append(connection)
        return result

    def _transact(self, connection: sqlite3.Connection, begin: str, work: Callable[[Transaction], T]) -> T:
        """Closes the connection where anything fails: that rolls back, and a broken one is not used again."""
        try:
            connection.execute(begin)
            result = work(_SqliteTransaction(connection))
            connection.execute("COMMIT")
            return result
        except BaseException as error:
            with suppress(sqlite3.Error):
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise StorageError(f"The database {self._path} failed: {error}.") from error
            raise

    def _connect(self, pragma: str) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path, timeout=self._limits.busy_seconds, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StorageError(f"The database {self._path} cannot be opened: {error}.") from error
        try:
            connection.execute("PRAGMA page_size = 8192")  # of a new file; log bodies are written in fewer pages
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(pragma)
        except sqlite3.Error as error:
            connection.close()
            raise StorageError(f"The database {self._path} cannot be opened: {error}.") from error
        return connection

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in (*self._reading, *([self._writing] if self._writing else [])):
            connection.close()
        self._reading.clear()
        self._writing = None


def _make_private(path: Path) -> None:
    """A new file that nobody else may read; SQLite gives its other files the same mode. One that is there is left
    alone: to close any descriptor of it would drop the locks that this process has on it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StorageError(f"The database {path} cannot be opened: {error.strerror}.") from error


class _SqliteTransaction:
    __slots__ = ("_execute",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def fetch(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        try:
            return self._execute(sql, parameters).fetchall()
        except _REFUSALS as error:
            raise StatementRefused(f"The database refused a query: {error}.") from error

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        try:
            return self._execute(sql, parameters).rowcount
        except _REFUSALS as error:
            raise StatementRefused(f"The database refused a statement: {error}.") from error
