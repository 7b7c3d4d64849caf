"""The cache as those who manage a gateway have it: what is in it, purging it, and what a change takes out of it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from conftest import CHAT, StartGateway
from conftest import Gateway as Running
from isthmus.clock import SystemClock
from isthmus.control_plane.cache.invalidate import Invalidation, of_providers, purges
from isthmus.control_plane.cache.resource import CacheParts
from isthmus.control_plane.publish import DeclaredGateways, Publisher
from isthmus.control_plane.routes import control_plane
from isthmus.core.account import Account
from isthmus.core.caching.answer import CacheScope
from isthmus.core.custom_provider import CustomProvider
from isthmus.core.gateway import DEFAULT_SETTINGS, Gateway
from isthmus.providers.custom import provider_of
from isthmus.simulator import Simulator
from isthmus.storage.memory.cache import ENTRY_BYTES, MemoryCache
from isthmus.storage.open import Storage
from isthmus.storage.protocols import CacheEntry, Configuration, Purge, StorageError

ACCOUNT_ID = "0123456789abcdef0123456789abcdef"
OTHER_ACCOUNT_ID = "fedcba9876543210fedcba9876543210"
MINE = CacheScope(ACCOUNT_ID, "mine")
OTHER = CacheScope(ACCOUNT_ID, "other")
STRANGERS = CacheScope(OTHER_ACCOUNT_ID, "mine")
KEEPS = structs.replace(DEFAULT_SETTINGS, cache_ttl=300)
FORGETS = structs.replace(KEEPS, cache_invalidate_on_update=True)
DECLARED = DeclaredGateways(settings={"declared": KEEPS}, declared_at=1.0)
REQUIRED = {
    "cache_invalidate_on_update": True,
    "cache_ttl": 300,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}

# --- what a change takes out --------------------------------------------------------------------------------------


def gateway(gateway_id: str = "mine", **given: Any) -> Gateway:
    values = {"settings": KEEPS, "account_id": ACCOUNT_ID, "created_at": 1.0, "modified_at": 1.0, **given}
    return Gateway(id=gateway_id, **values)


def provider(slug: str = "acme", **given: Any) -> CustomProvider:
    values = {
        "id": slug,
        "name": slug,
        "base_url": "https://acme.example",
        "enable": True,
        "created_at": 1.0,
        "modified_at": 1.0,
    }
    return CustomProvider(account_id=ACCOUNT_ID, slug=slug, **{**values, **given})


def configured(*what: Gateway | CustomProvider) -> Configuration:
    return Configuration(
        version=1,
        accounts=(),
        tokens=(),
        gateways=tuple(each for each in what if isinstance(each, Gateway)),
        custom_providers=tuple(each for each in what if isinstance(each, CustomProvider)),
    )


ALL_OF_MINE = [Purge(account_id=ACCOUNT_ID, gateway_id="mine")]
ALL_OF_ACME = [Purge(account_id=ACCOUNT_ID, provider="custom-acme")]
ALL_OF_EMCA = [Purge(account_id=ACCOUNT_ID, provider="custom-emca")]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ([gateway()], [gateway()], []),
        ([gateway()], [gateway(settings=structs.replace(KEEPS, cache_ttl=5), modified_at=2.0)], []),
        ([gateway()], [gateway(settings=FORGETS, modified_at=2.0)], ALL_OF_MINE),
        ([gateway(settings=FORGETS)], [gateway(settings=KEEPS, modified_at=2.0)], []),
        ([gateway(settings=FORGETS)], [gateway(settings=FORGETS, modified_at=2.0)], []),
        ([gateway(settings=FORGETS)], [gateway(settings=structs.replace(FORGETS, zdr=True))], ALL_OF_MINE),
        ([gateway(), gateway("other")], [gateway("other")], ALL_OF_MINE),
        ([], [gateway(settings=FORGETS)], []),
        ([gateway()], [gateway(created_at=2.0)], ALL_OF_MINE),
        ([gateway(declared=True)], [gateway(declared=True, created_at=2.0)], []),
        ([gateway(declared=True)], [gateway()], ALL_OF_MINE),
        ([gateway()], [gateway(declared=True)], ALL_OF_MINE),
        ([gateway(account_id=OTHER_ACCOUNT_ID), gateway()], [gateway(account_id=OTHER_ACCOUNT_ID)], ALL_OF_MINE),
        ([provider()], [provider()], []),
        ([provider()], [provider(name="Acme", position=3, modified_at=2.0)], []),
        ([provider()], [provider(base_url="https://b.example")], ALL_OF_ACME),
        ([provider()], [provider(headers='{"a": "b"}')], ALL_OF_ACME),
        ([provider()], [provider(enable=False)], ALL_OF_ACME),
        ([provider()], [], ALL_OF_ACME),
        ([], [provider()], ALL_OF_ACME),
        ([provider()], [provider("emca", id="acme")], [*ALL_OF_ACME, *ALL_OF_EMCA]),
    ],
)  # fmt: skip
def test_what_a_change_takes_out(old: list[Any], new: list[Any], wanted: list[Purge]) -> None:
    assert purges(configured(*old), configured(*new)) == wanted


def test_a_custom_provider_has_one_name_in_both_planes() -> None:
    assert [each.provider for each in purges(configured(provider()), configured())] == [provider_of(provider()).slug]


def test_what_a_change_of_everybodys_providers_takes_out() -> None:
    accounts = [Account(id=each, name=each, created_at=1.0) for each in ("one", "two")]
    old, new = {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "d": 1}
    found = of_providers(accounts, old, new)
    assert {(each.account_id, each.provider) for each in found} == {
        (account, slug) for account in ("one", "two") for slug in ("b", "c", "d")
    }


# --- the addresses ------------------------------------------------------------------------------------------------


class Fragile(MemoryCache):
    """Refuses to purge while `broken`."""

    broken = False

    async def purge(self, purge: Purge) -> int:
        if self.broken:
            raise StorageError("the cache is gone")
        return await super().purge(purge)


def entry(model: str = "openai/gpt-4o", provider: str = "openai", expires_at: float = 1e12) -> CacheEntry:
    return CacheEntry(answer=b"0123456789", models=(model,), provider=provider, expires_at=expires_at)


def either_case(text: str) -> tuple[bytes, ...]:
    return text.encode(), text.upper().encode()


class Managed:
    """A management API over a cache with entries, by their keys; `mine` and `other` are gateways of the account."""

    def __init__(self, publisher: Publisher[Configuration], store: Fragile, client: httpx.AsyncClient) -> None:
        self.publisher = publisher
        self.store = store
        self._client = client

    async def call(self, method: str, path: str, secret: str = "writer", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {secret}"}
        return await self._client.request(method, f"/{ACCOUNT_ID}/ai-gateway/{path}", headers=headers, **more)

    async def purge(self, body: Any, **more: Any) -> httpx.Response:
        return await self.call("POST", "gateways/mine/cache/purge", json=body, **more)

    async def fill(self) -> None:
        for scope in (MINE, OTHER, STRANGERS):
            generation = (await self.store.get(scope, b"", 0.0))[1]
            self.store.put(scope, b"one", entry(), generation)
            self.store.put(scope, b"TWO", entry("anthropic/claude"), generation)
            self.store.put(scope, b"three", entry("custom-acme/x", "custom-acme"), generation)

    async def left(self, scope: CacheScope) -> set[bytes]:
        return {key for key in (b"one", b"TWO", b"three") if (await self.store.get(scope, key, 0.0))[0] is not None}


EVERY = {b"one", b"TWO", b"three"}


@pytest.fixture
async def managed(stand: Any, storage: Storage) -> AsyncIterator[Managed]:
    for each in (gateway(), gateway("other"), gateway(account_id=OTHER_ACCOUNT_ID)):
        await storage.configs.add_gateway(each)
    store = Fragile(100_000)
    publisher = Publisher[Configuration](
        storage.configs, lambda each: each, SystemClock(), DECLARED, 3600.0, Invalidation(store).configured
    )
    await publisher.start()

    async def semantic(gateway: Gateway) -> object:
        return {"of": gateway.id}

    parts = CacheParts(store=store, max_bytes=100_000, keys_of=either_case, more={"semantic": semantic})
    app = control_plane(publisher, storage.logs, stand.authenticate, cache=parts)
    base_url = "http://isthmus/client/v4/accounts"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url) as client:
        made = Managed(publisher, store, client)
        await made.fill()
        yield made
    await publisher.aclose()


async def test_what_a_gateway_holds(managed: Managed) -> None:
    managed.store.put(MINE, b"gone", entry(expires_at=1.0), 0)
    answer = await managed.call("GET", "gateways/mine/cache", "reader")
    size = ENTRY_BYTES + len(b"0123456789")
    characters = sum(map(len, ("openai/gpt-4o", "anthropic/claude", "custom-acme/x")))
    assert answer.json()["result"] == {
        "entries": 3,
        "bytes": 3 * size + 4 * characters,
        "max_bytes": 100_000,
        "semantic": {"of": "mine"},
    }
    declared = await managed.call("GET", "gateways/declared/cache")
    assert (declared.json()["result"]["entries"], declared.json()["result"]["bytes"]) == (0, 0)


async def test_purging(managed: Managed) -> None:
    cases: list[tuple[dict[str, Any], set[bytes]]] = [
        ({"purge_everything": True}, set()),
        ({"keys": ["one"]}, {b"TWO", b"three"}),
        ({"keys": ["two", "two", "absent"]}, {b"one", b"three"}),
        ({"models": ["OpenAI/GPT-4o", "custom-acme/x"]}, {b"TWO"}),
        ({"models": ["gpt-4o"]}, EVERY),
        ({"keys": ["x" * 1024] * 1000}, EVERY),
    ]
    for body, left in cases:
        answer = await managed.purge(body)
        assert (answer.status_code, answer.json()["result"]) == (200, {"purged": 3 - len(left)}), body
        assert await managed.left(MINE) == left, body
        assert await managed.left(OTHER) == await managed.left(STRANGERS) == EVERY
        await managed.fill()


async def test_what_is_no_purge(managed: Managed) -> None:
    cases: list[tuple[Any, list[str]]] = [
        ({}, []),
        ([], []),
        ({"purge_everything": False}, ["purge_everything"]),
        ({"purge_everything": 1}, ["purge_everything"]),
        ({"purge_everything": None}, ["purge_everything"]),
        ({"purge_everything": True, "keys": ["a"]}, []),
        ({"keys": ["a"], "models": ["a"]}, []),
        ({"keys": "a"}, ["keys"]),
        ({"keys": None}, ["keys"]),
        ({"keys": []}, ["keys"]),
        ({"keys": ["a"] * 1001}, ["keys"]),
        ({"keys": ["a", ""]}, ["keys", "1"]),
        ({"keys": ["a" * 1025]}, ["keys", "0"]),
        ({"models": [1]}, ["models", "0"]),
        ({"models": [["a"]]}, ["models", "0"]),
        ({"model": ["a"]}, ["model"]),
        ({"keys": ["a"], "x" * 70: 1}, ["x" * 64]),
    ]
    for body, path in cases:
        answer = await managed.purge(body)
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["code"], error["path"]) == (400, 7001, ["body", *path]), body
    assert await managed.left(MINE) == EVERY


async def test_a_body_that_is_no_json(managed: Managed) -> None:
    answer = await managed.call("POST", "gateways/mine/cache/purge", content=b'{"keys": ["\xff"]}')
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7001)


async def test_who_may(managed: Managed) -> None:
    for secret, gateway_id, read, purged in (
        ("writer", "mine", 200, 200),
        ("bound", "mine", 200, 200),
        ("bound", "other", 403, 403),
        ("reader", "mine", 200, 401),
        ("runner", "mine", 401, 401),
        ("other", "mine", 401, 401),
    ):
        path = f"gateways/{gateway_id}/cache"
        assert (await managed.call("GET", path, secret)).status_code == read, secret
        answer = await managed.call("POST", f"{path}/purge", secret, json={"purge_everything": True})
        assert answer.status_code == purged, secret
        assert await managed.left(MINE) == (set() if purged == 200 else EVERY)
        assert await managed.left(OTHER) == EVERY
        await managed.fill()


async def test_a_missing_gateway(managed: Managed) -> None:
    for method, path in (("GET", "cache"), ("POST", "cache/purge")):
        answer = await managed.call(method, f"gateways/absent/{path}", json={})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, 7002)


# --- changes by the API, by others, by isthmus.toml -----------------------------------------------------------------


async def test_a_change_has_purged_before_it_is_answered(managed: Managed) -> None:
    begun = (await managed.store.get(MINE, b"", 0.0))[1]
    await managed.call("PATCH", "gateways/mine", json={"cache_ttl": 7})
    assert await managed.left(MINE) == EVERY
    await managed.call("PUT", "gateways/mine", json=REQUIRED)
    assert await managed.left(MINE) == set()
    managed.store.put(MINE, b"one", entry(), begun)
    assert await managed.left(MINE) == set()
    await managed.fill()
    await managed.call("DELETE", "gateways/mine")
    assert await managed.left(MINE) == set()
    assert await managed.left(OTHER) == await managed.left(STRANGERS) == EVERY


async def test_a_custom_provider_that_moves_takes_its_answers_along(managed: Managed) -> None:
    body = {"name": "Acme", "slug": "acme", "base_url": "https://acme.example", "enable": True}
    made = (await managed.call("POST", "custom-providers", json=body)).json()["result"]
    await managed.fill()
    await managed.call("PATCH", f"custom-providers/{made['id']}", json={"name": "Acme & Sons"})
    assert await managed.left(MINE) == EVERY
    await managed.call("PATCH", f"custom-providers/{made['id']}", json={"base_url": "https://b.example"})
    assert await managed.left(MINE) == await managed.left(OTHER) == {b"one", b"TWO"}
    assert await managed.left(STRANGERS) == EVERY
    await managed.fill()
    await managed.call("DELETE", f"custom-providers/{made['id']}")
    assert await managed.left(MINE) == {b"one", b"TWO"}


async def test_what_another_process_changed_is_purged_when_it_is_seen(managed: Managed, storage: Storage) -> None:
    await storage.configs.put_gateway(gateway(settings=FORGETS, modified_at=2.0), 1.0)
    assert await managed.left(MINE) == EVERY
    await managed.publisher.refresh()
    assert await managed.left(MINE) == set()


async def test_a_declaration_that_changed(managed: Managed) -> None:
    scope = CacheScope(OTHER_ACCOUNT_ID, "declared")
    managed.store.put(scope, b"one", entry(), 0)
    await managed.publisher.declare(structs.replace(DECLARED, declared_at=2.0))
    assert await managed.left(scope) == {b"one"}
    await managed.publisher.declare(DeclaredGateways(settings={"declared": FORGETS}, declared_at=3.0))
    assert await managed.left(scope) == set()


async def test_a_purge_that_failed_is_made_up_for(managed: Managed) -> None:
    """The change serves already, and its caller is told that something is amiss."""
    managed.store.broken = True
    answer = await managed.call("PUT", "gateways/mine", json=REQUIRED)
    assert answer.status_code == 503
    assert managed.publisher.gateway(ACCOUNT_ID, "mine").settings.cache_invalidate_on_update
    await managed.call("DELETE", "gateways/other")
    managed.store.broken = False
    await managed.publisher.refresh()
    assert await managed.left(MINE) == await managed.left(OTHER) == set()


# --- a running gateway --------------------------------------------------------------------------------------------


class Heard(logging.Handler):
    """Waits for a line of the program's own log."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self._line = line
        self.heard = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self._line in record.getMessage():
            self.heard.set()


async def ask(running: Running, text: str, key: str = "", gateway_id: str = "mine") -> httpx.Response:
    body = {**CHAT, "messages": [{"role": "user", "content": text}]}
    own: dict[str, Any] = {"cf-aig-cache-key": key.encode()} if key else {}
    headers = {"cf-aig-gateway-id": gateway_id, **own}
    answer: httpx.Response = await running.post("v1/chat/completions", body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


async def is_kept(running: Running, text: str, key: str = "", gateway_id: str = "mine") -> bool:
    return (await ask(running, text, key, gateway_id)).headers["cf-aig-cache-status"] == "HIT"


async def test_a_running_gateway(start_gateway: StartGateway, simulator: Simulator, tmp_path: Path) -> None:
    running = await start_gateway(log_level="info")
    for gateway_id in ("mine", "other"):
        made = await running.manage("POST", "gateways", {"id": gateway_id, **REQUIRED})
        assert made.json()["messages"] == []

    async def purge(body: Any) -> int:
        answer = await running.manage("POST", "gateways/mine/cache/purge", body)
        assert answer.status_code == 200, answer.text
        purged: int = answer.json()["result"]["purged"]
        return purged

    told = (await ask(running, "one")).headers["cf-aig-cache-key"]
    assert len(bytes.fromhex(told)) == 32
    assert (await ask(running, "one")).headers["cf-aig-cache-key"] == told
    keyed = await ask(running, "two", key="schlüssel")
    assert "schlüssel" not in str(keyed.headers) and len(keyed.headers["cf-aig-cache-key"]) == 64
    await ask(running, "one", gateway_id="other")
    held = (await running.manage("GET", "gateways/mine/cache")).json()["result"]
    assert held["entries"] == 2 and 2 * ENTRY_BYTES < held["bytes"] < held["max_bytes"] == 256 * 1024 * 1024

    assert await purge({"keys": ["schlüssel"]}) == 1
    assert await is_kept(running, "one") and not await is_kept(running, "two", "schlüssel")
    assert await purge({"keys": [told.upper()]}) == 1
    assert await purge({"keys": [keyed.headers["cf-aig-cache-key"]]}) == 1
    assert not await is_kept(running, "one")
    assert await purge({"models": ["OpenAI/GPT-4o"]}) == 1
    assert not await is_kept(running, "one") and await is_kept(running, "one", gateway_id="other")

    await running.manage("PATCH", "gateways/mine", {"cache_ttl": 200})
    assert not await is_kept(running, "one") and await is_kept(running, "one")
    await reload(tmp_path / "isthmus.toml", simulator.openai_url, simulator.openai_url)
    assert await is_kept(running, "one")
    await reload(
        tmp_path / "isthmus.toml", simulator.openai_url, simulator.openai_url.replace("127.0.0.1", "localhost")
    )
    assert not await is_kept(running, "one") and not await is_kept(running, "one", gateway_id="other")


async def reload(file: Path, old: str, new: str) -> None:
    """isthmus.toml changed, and read again."""
    file.write_text(file.read_text().replace(old, new))
    logger, heard = logging.getLogger("isthmus"), Heard("configuration read again")
    level = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.INFO)
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(10):
        await heard.heard.wait()
    logger.removeHandler(heard)
    logger.setLevel(level)
