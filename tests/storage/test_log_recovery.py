"""What becomes of rows when the process dies: a child appends and is killed, again and again."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from isthmus.core.entry import LogEntry
from isthmus.storage.journal import Journal
from isthmus.storage.open import Storage, StorageLimits, open_storage
from isthmus.storage.protocols import LogQuery, StorageError
from isthmus.storage.sql.database import Transaction

MakeEntry = Callable[..., LogEntry]
CHILD = Path(__file__).parent / "appending_process.py"
KILLS = 20
EVERYTHING = LogQuery(account_id="account", gateway_id="gateway", per_page=1_000_000)


async def killed_child(directory: Path, database_url: str, first: int, delay: float) -> list[str]:
    """The ids whose `append` returned before the end. Dies `delay` seconds after its first."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), str(directory), database_url, str(first), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    begun = await child.stdout.readline()
    await asyncio.sleep(delay)  # when to kill, not what to wait for
    child.send_signal(signal.SIGKILL)
    rest = await child.stdout.read()
    assert await child.wait() == -signal.SIGKILL
    *whole, _cut = (begun + rest).decode().split("\n")
    return whole


async def stored(storage: Storage) -> Counter[str]:
    page = await storage.logs.list(EVERYTHING)
    return Counter(entry.id for entry in page.entries)


async def test_a_killed_process_leaves_every_row_once(database_url: str, tmp_path: Path, limits: StorageLimits) -> None:
    chance = random.Random(7)
    printed: list[str] = []
    left_behind = 0
    for kill in range(KILLS):
        printed += await killed_child(tmp_path, database_url, kill * 1_000_000, chance.uniform(0, 0.06))
        if kill % 4 == 3:  # the next child itself finds what the others left
            left_behind += journal_bytes(tmp_path)
            storage = await open_storage(tmp_path, database_url, limits)
            found = await stored(storage)
            assert storage.logs.health.lost == 0
            await storage.aclose()
            assert set(found.values()) == {1}
            assert set(printed) - set(found) == set()
            assert len(found) - len(printed) <= kill + 1, "but for the one whose append had not returned"
    assert len(printed) > KILLS * 10
    assert left_behind > 0, "the journal had something to say"


def journal_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in (directory / "journal").glob("*.segment"))


def write_journal(directory: Path, records: list[bytes]) -> None:
    journal = Journal(directory / "journal")
    for record in records:
        journal.append(record)
    journal.close((0, 0))


async def test_rows_that_were_written_before_the_end_are_not_written_twice(
    database_url: str, tmp_path: Path, limits: StorageLimits, entry: MakeEntry
) -> None:
    entries = [entry(number, request_body=b"%d" % number) for number in range(200)]
    storage = await open_storage(tmp_path, database_url, limits)
    for each in entries[:120]:
        storage.logs.append(each)
    await storage.aclose()

    write_journal(tmp_path, [msgspec.msgpack.encode(each) for each in entries[50:]])
    storage = await open_storage(tmp_path, database_url, limits)
    assert await stored(storage) == Counter({each.id: 1 for each in entries})
    assert (await storage.logs.get("account", "gateway", entries[199].id)) == entries[199]
    assert (await storage.logs.get("account", "gateway", entries[60].id)) == entries[60]
    assert await storage.database.read(count_bodies) == 200
    assert storage.logs.health.lost == 0
    await storage.aclose()


def count_bodies(transaction: Transaction) -> int:
    ((count,),) = transaction.fetch("SELECT count(*) FROM log_bodies")
    return int(count)


async def test_new_rows_wait_for_old_ones_and_none_is_missed(
    database_url: str, tmp_path: Path, limits: StorageLimits, entry: MakeEntry
) -> None:
    write_journal(tmp_path, [msgspec.msgpack.encode(entry(number)) for number in range(1000)])
    storage = await open_storage(tmp_path, database_url, limits)
    storage.logs.append(entry(2000))
    assert len(await stored(storage)) == 1001
    await storage.aclose()


async def test_entries_of_other_versions_are_read(
    database_url: str, tmp_path: Path, limits: StorageLimits, entry: MakeEntry
) -> None:
    """An older one lacks the last fields, a newer one has more."""
    older = list(msgspec.structs.astuple(entry(1, wholesale=True)))[:14]
    newer = [*msgspec.structs.astuple(entry(2, response_complete=False)), "a field to come"]
    nonsense = [b"\xc1", b"\x93\x01\x02\x03", msgspec.msgpack.encode({"id": "entry"})]
    write_journal(tmp_path, [msgspec.msgpack.encode(older), *nonsense, msgspec.msgpack.encode(newer)])
    storage = await open_storage(tmp_path, database_url, limits)
    assert await storage.logs.get("account", "gateway", "entry-000001") == entry(1)
    assert await storage.logs.get("account", "gateway", "entry-000002") == entry(2, response_complete=False)
    assert storage.logs.health.lost == 3
    await storage.aclose()


async def test_one_server_owns_a_directory(
    storage: Storage, database_url: str, tmp_path: Path, limits: StorageLimits, entry: MakeEntry
) -> None:
    with pytest.raises(StorageError, match=f"Another Isthmus server is using {tmp_path}"):
        await open_storage(tmp_path, database_url, limits)
    storage.logs.append(entry(1))
    assert await stored(storage) == {"entry-000001": 1}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://user:secret@host/db", "Postgres is not supported yet"),
        ("sqlite://", "is named sqlite:///PATH"),
        ("sqlite:///:memory:", "is named sqlite:///PATH"),
        ("mysql://host", "begins with 'mysql'"),
        ("/var/lib/isthmus.db", "is named sqlite:///PATH"),
    ],
)
async def test_a_database_that_cannot_be_used_is_told(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(StorageError, match=message) as raised:
        await open_storage(tmp_path, url)
    assert "secret" not in str(raised.value)
    storage = await open_storage(tmp_path, f"sqlite:///{tmp_path}/isthmus.db")  # the directory is free again
    await storage.aclose()
    assert os.listdir(tmp_path / "journal") == ["lock"]
