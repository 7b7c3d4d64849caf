"""The contract of `Configs`, put to each implementation."""

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from isthmus.core.account import Account, Token
from isthmus.core.gateway import (
    DEFAULT_SETTINGS,
    Dlp,
    Gateway,
    GatewaySettings,
    Guardrails,
    OtelExporter,
    Selector,
    SpendLimits,
    SpendRule,
    Stripe,
    UsageEvent,
)
from isthmus.storage.open import Storage, open_configs
from isthmus.storage.protocols import Configs, StorageError

ACCOUNT = Account(id="0123456789abcdef0123456789abcdef", name="Ünïcode & 'quotes'", created_at=1_700_000_000.123456)
FULL_SETTINGS = GatewaySettings(
    cache_invalidate_on_update=True,
    cache_ttl=300,
    collect_logs=False,
    rate_limiting_interval=60,
    rate_limiting_limit=10,
    rate_limiting_technique="sliding",
    authentication=False,
    dlp=Dlp(enabled=True, action="BLOCK", profiles=("a", "b")),
    guardrails=Guardrails(prompt={"P1": "BLOCK"}, response={"S13": "FLAG"}),
    otel=(OtelExporter(url="https://example.com", headers={"a": "b"}),),
    spend_limits=SpendLimits(
        enabled=True,
        rules=(SpendRule(limit=1.5, limitType="cost", window=60, metadata={"user": Selector(mode="partition")}),),
    ),
    stripe=Stripe(authorization="secret", usage_events=(UsageEvent(payload="{}"),)),
    zdr=False,
)


@pytest.fixture
async def configs(storage: Storage) -> Configs:
    await storage.configs.add_account(ACCOUNT)
    return storage.configs


def token(**changes: Any) -> Token:
    values = {"id": "token", "account_id": ACCOUNT.id, "name": "ci", "digest": "d" * 64, "created_at": 5.5}
    return Token(**{**values, "permissions": ("AI Gateway Run",), **changes})


def gateway(**changes: Any) -> Gateway:
    values: dict[str, Any] = {"id": "default", "account_id": ACCOUNT.id, "created_at": 1.5, "modified_at": 2.25}
    return Gateway(**{**values, "settings": DEFAULT_SETTINGS, **changes})


async def test_a_new_store_is_empty(storage: Storage) -> None:
    configuration = await storage.configs.load()
    assert (configuration.accounts, configuration.tokens, configuration.gateways) == ((), (), ())
    assert configuration.version == await storage.configs.version()


async def test_everything_comes_back_as_it_was(configs: Configs) -> None:
    tokens = (
        token(),
        token(id="scoped", digest="e", permissions=(), gateways=("a", "b"), models=("openai/*",), expires_on=9.5),
        token(id="gone", digest="f", gateways=(), models=(), revoked=True),
    )
    gateways = (
        gateway(),
        gateway(id="full", settings=FULL_SETTINGS, declared=True),
        gateway(id="nulls", settings=msgspec.structs.replace(DEFAULT_SETTINGS, cache_ttl=None, guardrails=None)),
    )
    for each in tokens:
        assert await configs.add_token(each) is True
    for gate in gateways:
        assert await configs.add_gateway(gate) is True
    loaded = await configs.load()
    assert loaded.accounts == (ACCOUNT,)
    assert sorted(loaded.tokens, key=lambda each: each.id) == sorted(tokens, key=lambda each: each.id)
    assert sorted(loaded.gateways, key=lambda each: each.id) == sorted(gateways, key=lambda each: each.id)


async def test_what_was_never_set_stays_unset(configs: Configs) -> None:
    await configs.add_gateway(gateway())
    (loaded,) = (await configs.load()).gateways
    assert loaded.settings.zdr is UNSET
    assert loaded.settings.dlp is UNSET
    assert loaded.settings.authentication is True


async def test_an_id_is_taken_once(configs: Configs) -> None:
    other = Account(id="other", name="other", created_at=1.0)
    assert await configs.add_account(other) is True
    assert await configs.add_account(msgspec.structs.replace(other, name="again")) is False
    await configs.add_token(token())
    assert await configs.add_token(token(digest="another")) is False
    assert await configs.add_token(token(id="another")) is False, "two tokens of one secret"
    await configs.add_gateway(gateway())
    assert await configs.add_gateway(gateway(settings=FULL_SETTINGS)) is False
    assert await configs.add_gateway(gateway(account_id="other")) is True, "ids are an account's own"
    loaded = await configs.load()
    assert {account.name for account in loaded.accounts} == {ACCOUNT.name, "other"}
    assert loaded.tokens == (token(),)
    assert {each.settings for each in loaded.gateways} == {DEFAULT_SETTINGS}


async def test_ten_at_once_add_one_gateway(configs: Configs) -> None:
    added = await asyncio.gather(*(configs.add_gateway(gateway(modified_at=float(n))) for n in range(10)))
    assert sorted(added) == [False] * 9 + [True]
    assert len((await configs.load()).gateways) == 1


async def test_a_gateway_is_replaced_unless_another_came_first(configs: Configs) -> None:
    await configs.add_gateway(gateway(modified_at=1.1))
    second = gateway(modified_at=2.2, settings=FULL_SETTINGS)
    assert await configs.put_gateway(second, expected_modified_at=1.1) is True
    assert await configs.put_gateway(gateway(modified_at=3.3), expected_modified_at=1.1) is False
    assert await configs.put_gateway(gateway(id="gone"), expected_modified_at=2.2) is False
    assert (await configs.load()).gateways == (second,)


async def test_a_gateway_is_removed_once(configs: Configs) -> None:
    await configs.add_gateway(gateway())
    assert await configs.remove_gateway("other", "default") is False
    assert await configs.remove_gateway(ACCOUNT.id, "default") is True
    assert await configs.remove_gateway(ACCOUNT.id, "default") is False
    assert (await configs.load()).gateways == ()


async def test_a_token_is_revoked_once(configs: Configs) -> None:
    await configs.add_token(token())
    assert await configs.revoke_token("nothing") is False
    assert await configs.revoke_token("token") is True
    assert await configs.revoke_token("token") is False
    assert (await configs.load()).tokens == (token(revoked=True),)


async def test_every_change_and_nothing_else_raises_the_version(configs: Configs) -> None:
    changes = [
        (configs.add_token(token()), True),
        (configs.add_token(token()), False),
        (configs.add_gateway(gateway()), True),
        (configs.add_gateway(gateway()), False),
        (configs.put_gateway(gateway(), 2.25), True),
        (configs.put_gateway(gateway(), 7.0), False),
        (configs.revoke_token("token"), True),
        (configs.revoke_token("token"), False),
        (configs.remove_gateway(ACCOUNT.id, "default"), True),
        (configs.remove_gateway(ACCOUNT.id, "default"), False),
        (configs.add_account(ACCOUNT), False),
    ]
    for change, changed in changes:
        before = await configs.version()
        assert await change is changed
        assert await configs.version() - before == (1 if changed else 0)
    assert (await configs.load()).version == await configs.version()


async def test_an_account_must_be_there(configs: Configs) -> None:
    with pytest.raises(StorageError):
        await configs.add_gateway(gateway(account_id="nobody"))
    with pytest.raises(StorageError):
        await configs.add_token(token(account_id="nobody"))


async def test_text_is_never_read_as_sql(configs: Configs) -> None:
    name = "'; DROP TABLE gateways; --"
    assert await configs.add_account(Account(id=name, name=name, created_at=1.0)) is True
    assert await configs.add_gateway(gateway(account_id=name, id=name)) is True
    assert await configs.remove_gateway(name, "' OR '1' = '1") is False
    assert len((await configs.load()).gateways) == 1


async def test_a_command_beside_the_server_is_seen(configs: Configs, database_url: str) -> None:
    before = await configs.version()
    command = await open_configs(database_url)
    assert await command.configs.add_token(token()) is True
    await command.aclose()
    assert await configs.version() == before + 1
    assert (await configs.load()).tokens == (token(),)


async def test_settings_that_cannot_be_read_are_told(configs: Configs, storage: Storage) -> None:
    await configs.add_gateway(gateway())
    await storage.database.write(lambda transaction: transaction.execute("UPDATE gateways SET settings = '{}'"))
    with pytest.raises(StorageError, match="cannot be read: Object missing required field"):
        await configs.load()
