"""The contract of `Logs`, put to each implementation."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from isthmus.core.entry import LogEntry
from isthmus.storage.open import Storage, StorageLimits, open_storage
from isthmus.storage.protocols import LogQuery, Logs, StorageError

MakeEntry = Callable[..., LogEntry]
EVERYTHING = LogQuery(account_id="account", gateway_id="gateway", per_page=1000)


@pytest.fixture
def logs(storage: Storage) -> Logs:
    return storage.logs


async def ids(logs: Logs, **changes: object) -> list[str]:
    page = await logs.list(msgspec.structs.replace(EVERYTHING, **changes))
    return [entry.id for entry in page.entries]


async def test_a_row_comes_back_as_it_was(logs: Logs, entry: MakeEntry) -> None:
    full = entry(
        1,
        end="interrupted",
        success=False,
        model_type="Embeddings",
        request_content_type="application/json",
        response_content_type="text/event-stream",
        tokens_in=2**40,
        tokens_out=0,
        cached_tokens=1,
        cache_write_tokens=2,
        reasoning_tokens=3,
        finish_reason="stop",
        streamed=True,
        cached=True,
        step=2,
        metadata='{"user":"Zoë","n":1.5}',
        user_agent="agent/1 \x00 ☃",
        authentication=False,
        wholesale=True,
        error_code=2005,
        error_message='it\'s "late"',
        notes="[]",
        request_size=11,
        response_size=12,
        request_body=b"\x00\xff not text",
        response_body=b"",
        request_complete=False,
        response_complete=False,
    )
    sparse = entry(2, first_byte_ms=None)
    for each in (full, sparse):
        logs.append(each)
        assert await logs.get("account", "gateway", each.id) == each
    listed = (await logs.list(EVERYTHING)).entries
    assert listed == [sparse, msgspec.structs.replace(full, request_body=None, response_body=None)]


async def test_get_finds_one_of_that_gateway_only(logs: Logs, entry: MakeEntry) -> None:
    logs.append(entry(1))
    assert await logs.get("account", "gateway", "entry-000002") is None
    assert await logs.get("account", "other", "entry-000001") is None
    assert await logs.get("other", "gateway", "entry-000001") is None


async def test_a_list_holds_one_gateway(logs: Logs, entry: MakeEntry) -> None:
    logs.append(entry(1))
    logs.append(entry(2, gateway_id="other"))
    logs.append(entry(3, account_id="other"))
    assert await ids(logs) == ["entry-000001"]
    assert await ids(logs, gateway_id="other") == ["entry-000002"]
    assert await ids(logs, account_id="nobody") == []


async def test_pages_hold_every_row_once(logs: Logs, entry: MakeEntry) -> None:
    for number in range(25):
        logs.append(entry(number, created_at=1000.0 + number // 10))
    pages = [await logs.list(msgspec.structs.replace(EVERYTHING, page=page, per_page=10)) for page in (1, 2, 3, 4)]
    assert [len(page.entries) for page in pages] == [10, 10, 5, 0]
    assert {page.total_count for page in pages} == {25}
    seen = [entry.id for page in pages for entry in page.entries]
    assert seen == [f"entry-{number:06d}" for number in reversed(range(25))]
    assert await ids(logs, page=10**18, per_page=50) == []


@pytest.mark.parametrize("order_by", ["created_at", "provider", "model", "model_type", "success", "cached"])
async def test_order(logs: Logs, entry: MakeEntry, order_by: str) -> None:
    for number in range(12):
        logs.append(
            entry(
                number,
                created_at=float(number * 7 % 12),
                provider=f"p{number % 5}",
                model=f"m{number % 4}",
                model_type=f"t{number % 3}",
                success=number % 2 == 0,
                cached=number % 3 == 0,
            )
        )
    for descending in (True, False):
        listed = (
            await logs.list(msgspec.structs.replace(EVERYTHING, order_by=order_by, descending=descending))
        ).entries
        keys = [getattr(each, order_by) for each in listed]
        assert keys == sorted(keys, reverse=descending)
        assert len(listed) == 12


async def test_a_list_sees_what_was_appended_before_it(logs: Logs, entry: MakeEntry) -> None:
    for number in range(300):
        logs.append(entry(number))
        if number % 50 == 0:
            assert len(await ids(logs)) == number + 1
            assert await logs.get("account", "gateway", f"entry-{number:06d}") == entry(number)


async def test_lists_while_others_append(logs: Logs, entry: MakeEntry) -> None:
    async def append(first: int) -> None:
        for number in range(first, first + 30):
            logs.append(entry(number))
            await asyncio.sleep(0)
            assert f"entry-{number:06d}" in await ids(logs)

    await asyncio.gather(*(append(first) for first in (0, 1000, 2000)))
    assert len(await ids(logs)) == 90


async def test_an_id_has_one_row(logs: Logs, entry: MakeEntry) -> None:
    for _ in range(3):
        logs.append(entry(1, request_body=b"body"))
        logs.append(entry(2))
    assert sorted(await ids(logs)) == ["entry-000001", "entry-000002"]
    logs.append(entry(1))
    logs.append(entry(3))
    assert sorted(await ids(logs)) == ["entry-000001", "entry-000002", "entry-000003"]
    assert (await logs.get("account", "gateway", "entry-000001")).request_body == b"body"


async def test_extremes_are_given_when_asked_for(logs: Logs, entry: MakeEntry) -> None:
    logs.append(entry(1, duration_ms=30, tokens_in=5, tokens_out=7))
    logs.append(entry(2, duration_ms=10, tokens_in=None, tokens_out=20))
    logs.append(entry(3, duration_ms=20, tokens_in=None, tokens_out=None))
    assert (await logs.list(EVERYTHING)).extremes == {}
    page = await logs.list(msgspec.structs.replace(EVERYTHING, meta_info=True, per_page=1))
    assert page.extremes == {
        **{"min_cost": 0, "max_cost": 0, "min_duration": 10, "max_duration": 30, "min_tokens_in": 5},
        **{"max_tokens_in": 5, "min_tokens_out": 7, "max_tokens_out": 20, "min_total_tokens": 12},
        "max_total_tokens": 20,
    }
    empty = await logs.list(msgspec.structs.replace(EVERYTHING, meta_info=True, gateway_id="other"))
    assert empty.total_count == 0
    assert len(empty.extremes) == 10
    assert set(empty.extremes.values()) == {0}


async def test_closing_empties_the_journal(
    database_url: str, tmp_path: Path, limits: StorageLimits, entry: MakeEntry
) -> None:
    first = await open_storage(tmp_path, database_url, limits)
    for number in range(100):
        first.logs.append(entry(number))
    await first.aclose()
    assert first.logs.health.lost == 0
    assert not list_segments(tmp_path)
    second = await open_storage(tmp_path, database_url, limits)
    assert len(await ids(second.logs)) == 100
    await second.aclose()


async def test_a_closed_store_loses_rows_and_says_so(
    database_url: str, tmp_path: Path, limits: StorageLimits, entry: MakeEntry, caplog: pytest.LogCaptureFixture
) -> None:
    storage = await open_storage(tmp_path, database_url, limits)
    await storage.aclose()
    storage.logs.append(entry(1))
    storage.logs.append(entry(2))
    assert storage.logs.health.lost == 2
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1, "once a minute"
    with pytest.raises(StorageError, match="closed"):
        await storage.logs.list(EVERYTHING)


async def test_a_row_that_cannot_be_kept_stops_no_other(storage: Storage, entry: MakeEntry) -> None:
    """Text that is none, numbers that no database holds: each is lost alone."""
    logs = storage.logs
    for number in range(50):
        logs.append(entry(number, request_body=b"%d" % number))
    logs.append(entry(1000, model="\ud800"))
    logs.append(entry(1001, tokens_in=2**64 - 1))
    logs.append(entry(1002, tokens_in=2**200))
    for number in range(50, 100):
        logs.append(entry(number, request_body=b"%d" % number))
    assert sorted(await ids(logs)) == [f"entry-{number:06d}" for number in range(100)]
    for number in (0, 49, 50, 99):
        assert (await logs.get("account", "gateway", f"entry-{number:06d}")).request_body == b"%d" % number
    assert storage.logs.health.lost == 3
    assert storage.logs.health.healthy


def list_segments(directory: Path) -> list[Path]:
    return list((directory / "journal").glob("*.segment"))
