"""What the stores ask of a `Database`, put to each implementation."""

import asyncio
import os
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.storage.protocols import StorageError
from isthmus.storage.sql.database import Database, StatementRefused, Transaction
from isthmus.storage.sql.sqlite import SqliteDatabase, SqliteLimits


@pytest.fixture(params=["sqlite"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    opened = SqliteDatabase(tmp_path / "test.db", SqliteLimits(busy_seconds=0.02, waiting_max=20))
    await opened.write(
        lambda transaction: transaction.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)")
    )
    yield opened
    await opened.aclose()


def add(number: int, name: str = "thing") -> object:
    return lambda transaction: transaction.execute("INSERT INTO things VALUES (?, ?)", (number, name))


def numbers(transaction: Transaction) -> list[int]:
    return [number for (number,) in transaction.fetch("SELECT id FROM things ORDER BY id")]


async def test_a_write_is_read_back(database: Database) -> None:
    assert await database.write(add(1)) == 1
    assert await database.read(numbers) == [1]


async def test_writes_run_one_after_another_in_order(database: Database) -> None:
    seen: list[int] = []

    def write(number: int, transaction: Transaction) -> None:
        seen.append(number)
        transaction.execute("INSERT INTO things VALUES (?, ?)", (number, ""))
        assert max(numbers(transaction)) == number

    await asyncio.gather(*(database.write(lambda t, number=number: write(number, t)) for number in range(10)))
    assert seen == list(range(10))


async def test_a_write_that_raises_changes_nothing(database: Database) -> None:
    def write(transaction: Transaction) -> None:
        add(1)(transaction)
        raise LookupError("changed my mind")

    with pytest.raises(LookupError):
        await database.write(write)
    assert await database.read(numbers) == []
    await database.write(add(2))
    assert await database.read(numbers) == [2]


@pytest.mark.parametrize("value", [2**70, "\ud800", object()], ids=["too large", "no text", "no value"])
async def test_values_that_do_not_fit_are_refused(database: Database, value: object) -> None:
    with pytest.raises(StatementRefused):
        await database.write(lambda transaction: transaction.execute("INSERT INTO things VALUES (1, ?)", (value,)))
    with pytest.raises(StatementRefused):
        await database.read(lambda transaction: transaction.fetch("SELECT ?", (value,)))
    assert await database.read(numbers) == []


async def test_a_broken_rule_is_a_refusal(database: Database) -> None:
    await database.write(add(1))
    with pytest.raises(StatementRefused):
        await database.write(add(1))
    assert await database.read(numbers) == [1]


async def test_a_refused_statement_can_be_passed_over(database: Database) -> None:
    def write(transaction: Transaction) -> None:
        for number in (1, 1, 2):
            transaction.execute("SAVEPOINT one")
            try:
                add(number)(transaction)
            except StatementRefused:
                transaction.execute("ROLLBACK TO SAVEPOINT one")
            transaction.execute("RELEASE SAVEPOINT one")

    await database.write(write)
    assert await database.read(numbers) == [1, 2]


async def test_a_read_sees_one_moment_and_waits_for_no_write(database: Database) -> None:
    await database.write(add(1))
    first_read, written = threading.Event(), threading.Event()

    def read(transaction: Transaction) -> tuple[list[int], list[int]]:
        before = numbers(transaction)
        first_read.set()
        assert written.wait(10)
        return before, numbers(transaction)

    reading = asyncio.create_task(database.read(read))
    await asyncio.to_thread(first_read.wait, 10)
    await database.write(add(2))
    written.set()
    assert await reading == ([1], [1])
    assert await database.read(numbers) == [1, 2]


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError):
        await database.read(add(1))
    assert await database.read(numbers) == []


async def test_too_many_waiting_are_turned_away(database: Database) -> None:
    go = threading.Event()
    begun = [asyncio.create_task(database.write(lambda _: go.wait(10))) for _ in range(20)]
    await asyncio.sleep(0)
    with pytest.raises(StorageError, match="20 calls wait"):
        await database.write(add(1))
    go.set()
    await asyncio.gather(*begun)
    await database.write(add(1))


async def test_closing_ends_what_was_begun(database: Database, tmp_path: Path) -> None:
    begun = [asyncio.create_task(database.write(add(number))) for number in range(5)]
    await asyncio.sleep(0)
    await database.aclose()
    assert await asyncio.gather(*begun) == [1] * 5
    with pytest.raises(StorageError, match="closed"):
        await database.read(numbers)


async def test_another_process_that_writes_is_waited_for_and_no_longer(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "test.db", SqliteLimits(busy_seconds=0.02))
    await database.write(lambda transaction: transaction.execute("CREATE TABLE things (id INTEGER, name TEXT)"))
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="locked"):
        await database.write(add(1))
    assert await database.read(numbers) == []
    other.execute("ROLLBACK")
    other.close()
    await database.write(add(2))
    assert await database.read(numbers) == [2]
    await database.aclose()


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_text("this is a text file and no database at all" * 100)
    database = SqliteDatabase(tmp_path / "test.db")
    with pytest.raises(StorageError, match=r"test\.db cannot be opened: file is not a database"):
        await database.read(numbers)
    await database.aclose()


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened: No such file or directory"):
        SqliteDatabase(tmp_path / "nowhere" / "test.db")


async def test_a_process_that_leaves_takes_nothing_with_it(database: Database, tmp_path: Path) -> None:
    """The last one to close a database removes its log of changes: it must not believe that it is the last."""
    await database.read(numbers)
    await database.write(add(1))
    again = SqliteDatabase(tmp_path / "test.db")  # nor may another user in the same process drop the locks
    await again.read(numbers)
    await again.aclose()
    other = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT id FROM things').fetchall())"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", other, str(tmp_path / "test.db"), stdout=asyncio.subprocess.PIPE
    )
    assert (await child.communicate())[0] == b"[(1,)]\n"
    assert os.access(tmp_path / "test.db-wal", os.F_OK)
    await database.write(add(2))
    assert await database.read(numbers) == [1, 2]


def test_nobody_else_may_read_the_file(database: Database, tmp_path: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("test.db*")} == {0}
