"""The first start: an account and a token, made or given, and found again at every later one."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from isthmus.clock import SystemClock
from isthmus.control_plane.bootstrap import Bootstrap, BootstrapError, Given, bootstrap, make_directory
from isthmus.core.account import PERMISSIONS, Account, Token, digest
from isthmus.storage.open import ConfigStorage, open_configs

BASE_URL = "http://127.0.0.1:8787"


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[ConfigStorage]:
    opened = await open_configs(f"sqlite:///{tmp_path}/isthmus.db")
    yield opened
    await opened.aclose()


@pytest.fixture
def begin(empty: ConfigStorage, tmp_path: Path) -> Callable[..., Any]:
    async def begin(**given: Any) -> Bootstrap:
        return await bootstrap(empty.configs, tmp_path, Given(**({"base_url": BASE_URL} | given)), SystemClock())

    return begin


def kept(directory: Path) -> Any:
    return msgspec.json.decode((directory / "bootstrap.json").read_bytes())


async def test_the_first_start_makes_both(begin: Any, empty: ConfigStorage, tmp_path: Path) -> None:
    first = await begin()
    assert first.generated
    assert len(first.account_id) == 32
    assert int(first.account_id, 16) >= 0
    assert len(first.api_token) >= 40
    assert first.api_token.replace("-", "a").replace("_", "a").isalnum()
    assert kept(tmp_path) == {
        "account_id": first.account_id,
        "api_token": first.api_token,
        "base_url": BASE_URL,
    }
    assert stat.S_IMODE((tmp_path / "bootstrap.json").stat().st_mode) == 0o600
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []
    stored = await empty.configs.load()
    (token,) = stored.tokens
    assert (token.account_id, token.permissions) == (first.account_id, PERMISSIONS)
    assert token.digest == digest(first.api_token)
    assert first.api_token.encode() not in msgspec.json.encode(stored)


async def test_later_starts_find_the_same_and_print_nothing(begin: Any, empty: ConfigStorage) -> None:
    first = await begin()
    version = await empty.configs.version()
    again = await begin()
    assert again == msgspec.structs.replace(first, generated=False)
    assert await empty.configs.version() == version


async def test_the_address_is_kept_up_to_date(begin: Any, tmp_path: Path) -> None:
    first = await begin()
    await begin(base_url="http://127.0.0.1:9999")
    assert kept(tmp_path)["base_url"] == "http://127.0.0.1:9999"
    assert kept(tmp_path)["api_token"] == first.api_token


async def test_given_values_are_taken(begin: Any, tmp_path: Path) -> None:
    first = await begin(account_id="mine", api_token="given-token", on_loopback=False)
    assert first == Bootstrap(account_id="mine", api_token="given-token")
    assert await begin(account_id="mine", api_token="given-token") == first
    assert kept(tmp_path)["api_token"] == "given-token"


async def test_given_values_are_added_later(begin: Any, empty: ConfigStorage) -> None:
    first = await begin()
    second = await begin(api_token="given-token")
    assert second == Bootstrap(account_id=first.account_id, api_token="given-token")
    third = await begin(account_id="another")
    assert third.generated
    stored = await empty.configs.load()
    assert {each.id for each in stored.accounts} == {first.account_id, "another"}
    assert len(stored.tokens) == 3


async def test_a_database_that_was_lost_is_filled_again(
    begin: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = await begin()
    fresh = await open_configs(f"sqlite:///{tmp_path_factory.mktemp('fresh')}/isthmus.db")
    again = await bootstrap(fresh.configs, tmp_path, Given(base_url=BASE_URL), SystemClock())
    assert (again.account_id, again.api_token, again.generated) == (first.account_id, first.api_token, False)
    assert len((await fresh.configs.load()).tokens) == 1
    await fresh.aclose()


async def test_a_file_that_was_removed_does_not_make_more_tokens(
    begin: Any, empty: ConfigStorage, tmp_path: Path
) -> None:
    first = await begin()
    (tmp_path / "bootstrap.json").unlink()
    assert await begin(on_loopback=False) == Bootstrap(account_id=first.account_id, api_token=None)
    assert len((await empty.configs.load()).tokens) == 1
    assert not (tmp_path / "bootstrap.json").exists()


async def test_a_token_that_was_revoked_stays_so(begin: Any, empty: ConfigStorage) -> None:
    await begin(api_token="given-token")
    (token,) = (await empty.configs.load()).tokens
    await empty.configs.revoke_token(token.id)
    await begin(api_token="given-token")
    assert [each.revoked for each in (await empty.configs.load()).tokens] == [True]


async def test_a_token_of_another_account_is_refused(begin: Any, empty: ConfigStorage) -> None:
    await empty.configs.add_account(Account(id="theirs", name="", created_at=0.0))
    await empty.configs.add_token(
        Token(
            id="t",
            account_id="theirs",
            name="",
            digest=digest("given-token"),
            permissions=PERMISSIONS,
            created_at=0.0,
        )
    )
    with pytest.raises(BootstrapError, match="belongs to another account, theirs"):
        await begin(account_id="mine", api_token="given-token")
    assert {each.id for each in (await empty.configs.load()).accounts} == {"theirs"}


async def test_no_token_and_an_open_address_is_refused(begin: Any, empty: ConfigStorage, tmp_path: Path) -> None:
    with pytest.raises(BootstrapError, match="--api-token"):
        await begin(on_loopback=False)
    assert (await empty.configs.load()).accounts == ()
    assert not (tmp_path / "bootstrap.json").exists()
    await begin()
    assert (await begin(on_loopback=False)).api_token is not None


async def test_a_file_that_cannot_be_read_is_told(begin: Any, tmp_path: Path) -> None:
    (tmp_path / "bootstrap.json").write_text("{")
    with pytest.raises(BootstrapError, match=r"bootstrap\.json cannot be read"):
        await begin()


def test_the_directory_is_its_owners_alone(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    (tmp_path / "open").mkdir(mode=0o755)
    make_directory(tmp_path / "open")
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o755
