"""The contract of `CustomProviders`, a part of `Configs`, put to each implementation."""

import asyncio
from typing import Any

import pytest

from isthmus.core.account import Account
from isthmus.core.custom_provider import CustomProvider
from isthmus.storage.open import Storage
from isthmus.storage.protocols import Configs, StorageError

FULL: dict[str, Any] = {
    "description": "Ünïcode & 'quotes'",
    "link": "https://near.example/about",
    "curl_example": "curl …",
    "js_example": "fetch(…)",
    "enable": True,
    "beta": True,
    "headers": '{"X-Team":"blue"}',
    "position": 7,
}


@pytest.fixture
async def configs(storage: Storage) -> Configs:
    for account_id in ("a", "b"):
        await storage.configs.add_account(Account(id=account_id, name=account_id, created_at=1.0))
    return storage.configs


def provider(number: int = 1, **given: Any) -> CustomProvider:
    values = {"id": f"id-{number}", "account_id": "a", "name": f"Name {number}", "slug": f"slug-{number}"}
    return CustomProvider(
        **{**values, "base_url": "https://x.example/v1", "created_at": 1.5 + number, "modified_at": 2.25, **given}
    )


async def stored(configs: Configs) -> set[CustomProvider]:
    return set((await configs.load()).custom_providers)


async def test_everything_comes_back_as_it_was(configs: Configs) -> None:
    every = {provider(1), provider(2, **FULL), provider(3, account_id="b", slug="slug-1")}
    before = await configs.version()
    for each in every:
        assert await configs.custom_providers.add(each) is True
    assert await stored(configs) == every
    assert await configs.version() == before + 3


async def test_ids_and_an_accounts_slugs_are_taken_once(configs: Configs) -> None:
    await configs.custom_providers.add(provider(1))
    before = await configs.version()
    assert await configs.custom_providers.add(provider(2, slug="slug-1")) is False
    assert await configs.custom_providers.add(provider(1, slug="other")) is False
    assert await configs.version() == before
    assert await stored(configs) == {provider(1)}


async def test_ten_at_once_add_one(configs: Configs) -> None:
    every = (provider(number, slug="same") for number in range(10))
    added = await asyncio.gather(*(configs.custom_providers.add(each) for each in every))
    assert sorted(added) == [False] * 9 + [True]
    assert len(await stored(configs)) == 1


async def test_one_is_replaced_unless_another_came_first(configs: Configs) -> None:
    await configs.custom_providers.add(provider(1))
    second = provider(1, modified_at=3.5, **FULL)
    assert await configs.custom_providers.put(second, expected_modified_at=2.25) is True
    assert await configs.custom_providers.put(provider(1, modified_at=4.5), expected_modified_at=2.25) is False
    assert await configs.custom_providers.put(provider(9), expected_modified_at=2.25) is False
    assert await configs.custom_providers.put(provider(1, account_id="b"), expected_modified_at=3.5) is False
    assert await stored(configs) == {second}


async def test_a_slug_is_changed_unless_it_is_taken(configs: Configs) -> None:
    await configs.custom_providers.add(provider(1))
    await configs.custom_providers.add(provider(2))
    await configs.custom_providers.add(provider(3, account_id="b"))
    before = await configs.version()
    assert await configs.custom_providers.put(provider(1, slug="slug-2", modified_at=3.0), 2.25) is False
    assert await configs.version() == before
    free = provider(1, slug="slug-3", modified_at=3.0)
    assert await configs.custom_providers.put(free, 2.25) is True, "another account's"
    assert await stored(configs) == {free, provider(2), provider(3, account_id="b")}


async def test_one_is_removed_once(configs: Configs) -> None:
    await configs.custom_providers.add(provider(1))
    assert await configs.custom_providers.remove("b", "id-1") is False
    assert await configs.custom_providers.remove("a", "id-1") is True
    assert await configs.custom_providers.remove("a", "id-1") is False
    assert await stored(configs) == set()


async def test_an_account_must_be_there(configs: Configs) -> None:
    with pytest.raises(StorageError):
        await configs.custom_providers.add(provider(1, account_id="nobody"))
