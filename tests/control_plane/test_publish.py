"""Publishing: one reference is swapped when, and only when, what is configured can be served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from isthmus.clock import SystemClock
from isthmus.control_plane.publish import DeclaredGateways, Publisher
from isthmus.core.account import Account
from isthmus.core.gateway import DEFAULT_SETTINGS, Gateway, GatewaySettings
from isthmus.errors import InvalidRequest, NotFound
from isthmus.storage.open import Storage, open_configs
from isthmus.storage.protocols import Configs, Configuration, StorageError

ACCOUNT_ID = "0123456789abcdef0123456789abcdef"
OTHER_ACCOUNT_ID = "fedcba9876543210fedcba9876543210"


class Compiler:
    """Gives what it is given, and refuses gateways with a cache TTL of 13."""

    def __init__(self) -> None:
        self.compiled: list[int] = []

    def __call__(self, configuration: Configuration) -> Configuration:
        if any(gateway.settings.cache_ttl == 13 for gateway in configuration.gateways):
            raise ValueError("thirteen cannot be served")
        self.compiled.append(configuration.version)
        return configuration


class HandClock(SystemClock):
    """Sleeps until it is told to wake."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0
        self.asleep = asyncio.Event()
        self._wake = asyncio.Event()

    def now(self) -> float:  # type: ignore[override]
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self._wake.wait()
        self._wake.clear()

    async def tick(self) -> None:
        """One sleep ends; returns when the next begins."""
        await self.asleep.wait()
        self.asleep.clear()
        self._wake.set()
        await self.asleep.wait()


class Fragile:
    """The real store, until what it does is named in `failing` or in `losing`."""

    def __init__(self, configs: Configs) -> None:
        self._configs = configs
        self.failing: set[str] = set()
        self.losing: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        async def call(*given: Any) -> Any:
            if name in self.failing:
                raise StorageError("the disk is gone")
            return False if name in self.losing else await getattr(self._configs, name)(*given)

        return call


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(storage: Storage) -> Fragile:
    return Fragile(storage.configs)


@pytest.fixture
def compiler() -> Compiler:
    return Compiler()


@pytest.fixture
async def publisher(store: Fragile, compiler: Compiler, clock: HandClock) -> AsyncIterator[Publisher[Configuration]]:
    made = Publisher(store, compiler, clock)
    await made.start()
    yield made
    await made.aclose()


def caching(seconds: int) -> GatewaySettings:
    return msgspec.structs.replace(DEFAULT_SETTINGS, cache_ttl=seconds)


def names(publisher: Publisher[Configuration], account_id: str = ACCOUNT_ID) -> list[str]:
    return sorted(each.id for each in publisher.current.gateways if each.account_id == account_id)


async def test_a_hundred_callers_make_one_default(publisher: Publisher[Configuration], storage: Storage) -> None:
    before = await storage.configs.version()
    found = await asyncio.gather(*(publisher.ensure_default(ACCOUNT_ID) for _ in range(100)))
    assert all(any(each.id == "default" for each in current.gateways) for current in found)
    assert await storage.configs.version() == before + 1
    assert names(publisher) == ["default"]
    assert publisher.gateway(ACCOUNT_ID, "default").settings == DEFAULT_SETTINGS


async def test_each_account_has_its_own_default(publisher: Publisher[Configuration]) -> None:
    await asyncio.gather(*(publisher.ensure_default(each) for each in (ACCOUNT_ID, OTHER_ACCOUNT_ID) * 3))
    assert names(publisher) == names(publisher, OTHER_ACCOUNT_ID) == ["default"]


async def test_another_process_made_the_default_meanwhile(
    publisher: Publisher[Configuration], storage: Storage
) -> None:
    await storage.configs.add_gateway(
        Gateway(id="default", account_id=ACCOUNT_ID, settings=caching(7), created_at=1.0, modified_at=1.0)
    )
    current = await publisher.ensure_default(ACCOUNT_ID)
    assert [each.settings.cache_ttl for each in current.gateways] == [7]


async def test_a_caller_who_leaves_does_not_take_the_default_from_the_others(
    publisher: Publisher[Configuration],
) -> None:
    first = asyncio.create_task(publisher.ensure_default(ACCOUNT_ID))
    second = asyncio.create_task(publisher.ensure_default(ACCOUNT_ID))
    await asyncio.sleep(0)
    first.cancel()
    assert names(publisher) == []
    assert any(each.id == "default" for each in (await second).gateways)
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_default_that_cannot_be_made_fails_for_each_and_is_tried_again(
    publisher: Publisher[Configuration], store: Fragile
) -> None:
    store.failing = {"add_gateway"}
    calls = [publisher.ensure_default(ACCOUNT_ID) for _ in range(3)]
    assert {type(each) for each in await asyncio.gather(*calls, return_exceptions=True)} == {StorageError}
    store.failing = set()
    await publisher.ensure_default(ACCOUNT_ID)
    assert names(publisher) == ["default"]


async def test_a_change_is_swapped_in_before_it_returns(publisher: Publisher[Configuration]) -> None:
    before = publisher.current
    await publisher.add_gateway(ACCOUNT_ID, "mine", caching(1))
    assert names(publisher) == ["mine"]
    await publisher.change_gateway(ACCOUNT_ID, "mine", lambda old: caching((old.cache_ttl or 0) + 1))
    assert publisher.current.gateways[0].settings.cache_ttl == 2
    await publisher.remove_gateway(ACCOUNT_ID, "mine")
    assert names(publisher) == []
    assert before.gateways == ()  # what a call has pinned is never edited


async def test_what_cannot_be_served_is_not_stored(publisher: Publisher[Configuration], storage: Storage) -> None:
    await publisher.add_gateway(ACCOUNT_ID, "mine", caching(1))
    before, version = publisher.current, await storage.configs.version()
    with pytest.raises(InvalidRequest, match="thirteen cannot be served"):
        await publisher.add_gateway(ACCOUNT_ID, "unlucky", caching(13))
    with pytest.raises(InvalidRequest, match="thirteen cannot be served"):
        await publisher.change_gateway(ACCOUNT_ID, "mine", lambda _: caching(13))
    assert publisher.current is before
    assert await storage.configs.version() == version


async def test_each_change_has_a_time_of_its_own(publisher: Publisher[Configuration]) -> None:
    made = await publisher.add_gateway(ACCOUNT_ID, "mine", caching(1))  # the clock stands still
    one = await publisher.change_gateway(ACCOUNT_ID, "mine", lambda _: caching(2))
    two = await publisher.change_gateway(ACCOUNT_ID, "mine", lambda _: caching(3))
    assert made.modified_at < one.modified_at < two.modified_at
    assert two.created_at == made.created_at


async def test_a_lost_race_is_run_again(publisher: Publisher[Configuration], storage: Storage) -> None:
    mine = await publisher.add_gateway(ACCOUNT_ID, "mine", caching(1))
    another = msgspec.structs.replace(mine, settings=caching(100), modified_at=mine.modified_at + 1)
    assert await storage.configs.put_gateway(another, mine.modified_at)
    changed = await publisher.change_gateway(ACCOUNT_ID, "mine", lambda old: caching((old.cache_ttl or 0) + 1))
    assert changed.settings.cache_ttl == 101


async def test_a_race_that_is_lost_again_and_again(publisher: Publisher[Configuration], store: Fragile) -> None:
    await publisher.add_gateway(ACCOUNT_ID, "mine", caching(1))
    store.losing = {"put_gateway"}
    with pytest.raises(InvalidRequest) as raised:
        await publisher.change_gateway(ACCOUNT_ID, "mine", lambda _: caching(2))
    assert raised.value.status == 412


async def test_what_another_process_removed_is_missing(publisher: Publisher[Configuration], storage: Storage) -> None:
    await publisher.add_gateway(ACCOUNT_ID, "mine", caching(1))
    await storage.configs.remove_gateway(ACCOUNT_ID, "mine")
    with pytest.raises(NotFound):
        await publisher.remove_gateway(ACCOUNT_ID, "mine")
    assert names(publisher) == []


async def test_the_poll_sees_what_another_process_did(
    publisher: Publisher[Configuration], compiler: Compiler, clock: HandClock, tmp_path: Any
) -> None:
    await clock.tick()
    assert compiler.compiled[1:] == []  # nothing new: nothing is compiled
    beside = await open_configs(f"sqlite:///{tmp_path}/isthmus.db")
    await beside.configs.add_account(Account(id="new", name="New", created_at=3.0))
    await beside.aclose()
    await clock.tick()
    assert "new" in {each.id for each in publisher.current.accounts}


async def test_a_store_that_fails_leaves_the_last_one_and_is_told_once(
    publisher: Publisher[Configuration], store: Fragile, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    before = publisher.current
    with caplog.at_level(logging.INFO):
        store.failing = {"version"}
        for _ in range(3):
            await clock.tick()
        assert publisher.current is before
        store.failing = set()
        await clock.tick()
    assert [(each.levelname, "the disk is gone" in each.message) for each in caplog.records] == [
        ("ERROR", True),
        ("INFO", False),
    ]


async def test_the_poll_keeps_the_last_one_where_the_new_one_cannot_be_served(
    publisher: Publisher[Configuration], storage: Storage, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    before = publisher.current
    unlucky = Gateway(id="x", account_id=ACCOUNT_ID, settings=caching(13), created_at=1.0, modified_at=1.0)
    await storage.configs.add_gateway(unlucky)
    await clock.tick()
    assert publisher.current is before
    assert "thirteen cannot be served" in caplog.text
    await storage.configs.remove_gateway(ACCOUNT_ID, "x")
    await clock.tick()
    assert publisher.current.version == await storage.configs.version()


@pytest.fixture
def declare(publisher: Publisher[Configuration]) -> Callable[..., Any]:
    async def declare(**settings: GatewaySettings) -> None:
        await publisher.declare(DeclaredGateways(settings=settings, declared_at=5.0))

    return declare


async def test_declared_gateways_stand_in_every_account_and_before_stored_ones(
    publisher: Publisher[Configuration], declare: Any
) -> None:
    await publisher.add_gateway(ACCOUNT_ID, "mine", caching(1))
    await declare(mine=caching(2), default=caching(3))
    assert names(publisher) == names(publisher, OTHER_ACCOUNT_ID) == ["default", "mine"]
    mine = publisher.gateway(ACCOUNT_ID, "mine")
    assert (mine.declared, mine.settings.cache_ttl, mine.created_at) == (True, 2, 5.0)
    with pytest.raises(InvalidRequest, match=r"isthmus\.toml") as raised:
        await publisher.change_gateway(ACCOUNT_ID, "mine", lambda old: old)
    assert raised.value.status == 409
    before = publisher.current
    assert await publisher.ensure_default(ACCOUNT_ID) is before
    await declare()
    assert publisher.gateway(ACCOUNT_ID, "mine").settings.cache_ttl == 1


async def test_a_declaration_that_cannot_be_served_changes_nothing(
    publisher: Publisher[Configuration], declare: Any
) -> None:
    await declare(mine=caching(2))
    before = publisher.current
    with pytest.raises(ValueError, match="thirteen"):
        await declare(mine=caching(13))
    assert publisher.current is before
    await publisher.add_gateway(ACCOUNT_ID, "other", caching(1))
    assert publisher.gateway(ACCOUNT_ID, "mine").settings.cache_ttl == 2


async def test_many_refreshes_load_once(
    publisher: Publisher[Configuration], compiler: Compiler, storage: Storage
) -> None:
    await storage.configs.add_account(Account(id="new", name="New", created_at=3.0))
    await asyncio.gather(*(publisher.refresh() for _ in range(50)))
    assert compiler.compiled[1:] == [await storage.configs.version()]
