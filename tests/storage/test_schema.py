"""Migrations: in order, once each, and never backwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.core.entry import LogEntry
from isthmus.storage.protocols import StorageError
from isthmus.storage.sql.database import Database, Transaction
from isthmus.storage.sql.log_rows import BODIES
from isthmus.storage.sql.schema import migrate, migrations
from isthmus.storage.sql.sqlite import SqliteDatabase


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = SqliteDatabase(tmp_path / "test.db")
    yield opened
    await opened.aclose()


def written(directory: Path, files: dict[str, str]) -> Path:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    return directory


async def test_each_is_applied_once(database: Database) -> None:
    names = [migration.name for migration in migrations()]
    assert names[0] == "0001_initial"
    assert await migrate(database) == names
    assert await migrate(database) == []


def test_their_numbers_have_no_gap() -> None:
    assert [migration.number for migration in migrations()] == list(range(1, len(migrations()) + 1))


async def test_several_at_once_apply_each_once(tmp_path: Path) -> None:
    databases = [SqliteDatabase(tmp_path / "test.db") for _ in range(4)]
    applied = await asyncio.gather(*map(migrate, databases))
    assert sorted(name for names in applied for name in names) == [migration.name for migration in migrations()]
    for database in databases:
        await database.aclose()


async def test_a_later_one_is_added(database: Database, tmp_path: Path) -> None:
    folder = written(tmp_path / "sql", {"0001_one.sql": "-- said; so\nCREATE TABLE one (a TEXT);\n"})
    assert await migrate(database, migrations(folder)) == ["0001_one"]
    written(folder, {"0002_two.sql": "CREATE TABLE two (a TEXT);\n\nINSERT INTO two VALUES ('x; y');\n"})
    assert await migrate(database, migrations(folder)) == ["0002_two"]
    assert await database.read(lambda transaction: transaction.fetch("SELECT a FROM two")) == [("x; y",)]


async def test_one_that_fails_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    files = {"0001_one.sql": "CREATE TABLE one (a TEXT);\n", "0002_two.sql": "CREATE TABLE two (a TEXT);\nNONSENSE;\n"}
    folder = written(tmp_path / "sql", files)
    with pytest.raises(StorageError, match="NONSENSE"):
        await migrate(database, migrations(folder))
    written(folder, {"0002_two.sql": "CREATE TABLE two (a TEXT);\n"})
    assert await migrate(database, migrations(folder)) == ["0002_two"]


async def test_a_newer_database_is_refused(database: Database) -> None:
    await migrate(database)
    await database.write(
        lambda transaction: transaction.execute("INSERT INTO schema_migrations VALUES (9001, '9001_from_the_future')")
    )
    with pytest.raises(StorageError, match=r"newer version of Isthmus \(9001_from_the_future"):
        await migrate(database)


async def test_logs_have_a_column_for_every_field(database: Database) -> None:
    await migrate(database)

    def columns(table: str, transaction: Transaction) -> list[str]:
        return [row[1] for row in transaction.fetch(f"PRAGMA table_info({table})")]

    logs = await database.read(lambda transaction: columns("logs", transaction))
    bodies = await database.read(lambda transaction: columns("log_bodies", transaction))
    assert set(logs[1:]) == set(LogEntry.__struct_fields__) - set(BODIES)
    assert tuple(bodies[1:]) == BODIES
