"""Opens the stores: all of them for a server, the configuration alone for a command beside one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from isthmus.storage.encryption import Encryption, Plain
from isthmus.storage.journal import Journal, JournalLimits
from isthmus.storage.protocols import StorageError
from isthmus.storage.sql.configs import SqlConfigs
from isthmus.storage.sql.database import Database
from isthmus.storage.sql.log_drain import DrainLimits
from isthmus.storage.sql.logs import SqlLogs
from isthmus.storage.sql.schema import migrate
from isthmus.storage.sql.sqlite import SqliteDatabase, SqliteLimits
from isthmus.storage.sql.states.store import SqlStates

_SQLITE = "sqlite:///"


class StorageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of each part."""

    journal: JournalLimits = JournalLimits()
    drain: DrainLimits = DrainLimits()
    sqlite: SqliteLimits = SqliteLimits()


class ConfigStorage(msgspec.Struct, frozen=True, kw_only=True):
    """For a command, whether a server runs or not."""

    configs: SqlConfigs
    database: Database

    async def aclose(self) -> None:
        await self.database.aclose()


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """For a server, which has its data directory to itself."""

    configs: SqlConfigs
    logs: SqlLogs
    states: SqlStates
    database: Database

    async def aclose(self) -> None:
        """Raises `StorageError` where log rows had to stay in the journal; everything is closed all the same."""
        try:
            await self.logs.aclose()
        finally:
            await self.database.aclose()


async def open_configs(database_url: str, limits: StorageLimits | None = None) -> ConfigStorage:
    """Brings the database to this version's schema."""
    database = _database(database_url, limits or StorageLimits())
    try:
        await migrate(database)
    except BaseException:
        await database.aclose()
        raise
    return ConfigStorage(configs=SqlConfigs(database), database=database)


async def open_storage(
    directory: Path, database_url: str, limits: StorageLimits | None = None, encryption: Encryption | None = None
) -> Storage:
    """The journal is kept in `directory`, which a second server cannot open: `StorageError`. `encryption`: how the
    bodies of stored responses are written."""
    limits = limits or StorageLimits()
    journal = Journal(directory / "journal", limits.journal)
    try:
        opened = await open_configs(database_url, limits)
    except BaseException:
        journal.close(journal.start)
        raise
    return Storage(
        configs=opened.configs,
        database=opened.database,
        logs=SqlLogs(opened.database, journal, limits.drain),
        states=SqlStates(opened.database, encryption or Plain()),
    )


def _database(url: str, limits: StorageLimits) -> Database:
    scheme = url.partition(":")[0]
    if scheme in ("postgres", "postgresql"):
        raise StorageError("Postgres is not supported yet. Give a database of the form sqlite:///PATH.")
    path = url.removeprefix(_SQLITE)
    if path == url or not path or path == ":memory:":
        raise StorageError(f"A database is named sqlite:///PATH; this one begins with {scheme!r}.")
    return SqliteDatabase(Path(path), limits.sqlite)
