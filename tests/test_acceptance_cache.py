"""The acceptance checks on the cache, each under its number (data-plane 17), and the matrix of 14 as far as it is the
cache's: at every endpoint, streamed and whole. Where this project has chosen otherwise, the choice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from data_plane.caching.doors import BY_NAME, Door
from data_plane.caching.served import CACHED, OTHER, PLAIN, SETTINGS, Served, served_by, status
from isthmus.simulator import Fault

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDPOINTS = [
    *("chat", "responses", "messages", "gemini", "completions", "run-chat", "run-path", "embeddings", "run-vectors"),
    *("compat", "platform", "native-openai", "native-anthropic", "native-gemini", "universal", "short-openai"),
]
CASES = [pytest.param(BY_NAME[name], way, id=f"{name}-{way}") for name in ENDPOINTS for way in BY_NAME[name].ways]
each_case = pytest.mark.parametrize(("door", "stream"), CASES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served_by(tmp_path_factory.mktemp("caching")) as served:
        yield served


async def told(served: Served, door: Door, text: str, stream: bool, gateway_id: str = CACHED, **headers: str) -> Any:
    """What the caller is told of the cache, whether its row says so too, and how many requests it took."""
    before = served.asked
    named = {f"cf-aig-{name.replace('_', '-')}": value for name, value in headers.items()}
    answer = await door.ask(served, text, stream, gateway_id, headers=named)
    assert answer.status_code == 200, answer.text
    row = await served.row_of(answer, gateway_id)
    assert row["cached"] is (status(answer) == "HIT") and row["success"] is True
    return status(answer), served.asked - before


@each_case
async def test_19_off_by_default(served: Served, door: Door, stream: bool) -> None:
    for _ in range(2):
        assert await told(served, door, f"19 {door.name} {stream}", stream, PLAIN) == (None, 1)


@each_case
async def test_20_a_second_identical_call(served: Served, door: Door, stream: bool) -> None:
    """It costs nothing: no provider is asked. Its row keeps the tokens of the answer."""
    text = f"20 {door.name} {stream}"
    assert await told(served, door, text, stream) == ("MISS", 1)
    assert await told(served, door, text, stream) == ("HIT", 0)


@each_case
async def test_21_metadata_is_no_part_of_the_key(served: Served, door: Door, stream: bool) -> None:
    text = f"21 {door.name} {stream}"
    assert await told(served, door, text, stream, metadata='{"a":1}') == ("MISS", 1)
    assert await told(served, door, text, stream, metadata='{"a":2}', event_id="e") == ("HIT", 0)
    assert await told(served, door, text + " ", stream) == ("MISS", 1)


async def test_21_another_model_endpoint_or_key(served: Served) -> None:
    """One byte of white space is no other body here, and another dialect no other endpoint: see test_dialects.py."""
    door, text = BY_NAME["chat"], "21 model"
    body = door.asked(text, False)
    for changed in (body, {**body, "model": "openai/gpt-4.1"}, {**body, "seed": 1}):
        assert status(await door.ask(served, text, False, body=changed)) == "MISS"
        assert status(await door.ask(served, text, False, body=changed)) == "HIT"
    native = BY_NAME["native-openai"]
    for key in ("sk-one", "sk-two"):
        own = {"authorization": f"Bearer {key}"}
        assert status(await native.ask(served, text, False, headers=own)) == "MISS"
        assert status(await native.ask(served, text, False, headers=own)) == "HIT"
    assert status(await native.ask(served, text, False)) == "MISS"


@each_case
async def test_22_skip_cache(served: Served, door: Door, stream: bool) -> None:
    """The provider is called, and what it says now is what is kept."""
    text = f"22 {door.name} {stream}"
    assert await told(served, door, text, stream) == ("MISS", 1)
    assert await told(served, door, text, stream, skip_cache="true") == ("MISS", 1)
    assert await told(served, door, text, stream, skip_cache="false") == ("HIT", 0)


@each_case
async def test_23_a_key_of_the_caller_s_own(served: Served, door: Door, stream: bool) -> None:
    """It turns the cache on for its call, and stands for all that the answer depends on."""
    key = f"23-{door.name}-{stream}"
    assert await told(served, door, f"{key} one", stream, PLAIN, cache_key=key) == ("MISS", 1)
    assert await told(served, door, f"{key} another", stream, PLAIN, cache_key=key) == ("HIT", 0)
    assert await told(served, door, f"{key} one", stream, PLAIN, cache_key=key + "!") == ("MISS", 1)
    assert await told(served, door, f"{key} one", stream, PLAIN) == (None, 1)


@each_case
async def test_24_ttl_0(served: Served, door: Door, stream: bool) -> None:
    text = f"24 {door.name} {stream}"
    assert await told(served, door, text, stream, cache_ttl="0") == (None, 1)
    assert await told(served, door, text, stream) == ("MISS", 1)
    assert await told(served, door, text, stream, cache_ttl="0") == (None, 1)


async def test_24_a_ttl_alone_turns_nothing_on(served: Served) -> None:
    for _ in range(2):
        assert await told(served, BY_NAME["chat"], "24 alone", False, PLAIN, cache_ttl="60") == (None, 1)


@each_case
async def test_25_another_gateway(served: Served, door: Door, stream: bool) -> None:
    key = f"25-{door.name}-{stream}"
    for gateway_id in (CACHED, OTHER):
        assert await told(served, door, key, stream, gateway_id, cache_key=key) == ("MISS", 1)
        assert await told(served, door, key, stream, gateway_id, cache_key=key) == ("HIT", 0)


@each_case
async def test_26_errors_are_never_kept(served: Served, door: Door, stream: bool) -> None:
    """Nor is what was blocked or cut off: test_never.py."""
    text = f"26 {door.name} {stream}"
    for number in (400, 429, 500):
        served.fails(Fault(status=number))
        refused = await door.ask(served, text, stream)
        assert refused.status_code >= 400 and status(refused) == "MISS" and "age" not in refused.headers
    assert await told(served, door, text, stream) == ("MISS", 1)
    assert await told(served, door, text, stream) == ("HIT", 0)


async def test_27_a_gateway_that_caches_no_streams(served: Served) -> None:
    """Ours are cached unless a gateway says otherwise."""
    made = {**SETTINGS, "id": "no-streams", "cache_streams": False}
    assert (await served.gateway.manage("POST", "gateways", made)).status_code == 200
    door = BY_NAME["chat"]
    for _ in range(2):
        assert await told(served, door, "27", True, "no-streams") == (None, 1)
    assert await told(served, door, "27", False, "no-streams") == ("MISS", 1)
    assert await told(served, door, "27", True, "no-streams") == (None, 1)
    assert await told(served, door, "27", False, "no-streams") == ("HIT", 0)


@pytest.mark.parametrize("name", ["chat", "messages", "run-chat", "compat", "native-openai", "universal", "embeddings"])
async def test_28_a_hit_takes_nothing_of_a_limit(served: Served, name: str) -> None:
    door, gateway_id = BY_NAME[name], f"limited-{name}"
    made = {**SETTINGS, "id": gateway_id, "rate_limiting_limit": 2, "rate_limiting_interval": 86_400}
    assert (await served.gateway.manage("POST", "gateways", made)).status_code == 200
    for expected in (("MISS", 1), ("HIT", 0), ("HIT", 0), ("HIT", 0)):
        assert await told(served, door, "28", False, gateway_id) == expected
    assert await told(served, door, "28 again", False, gateway_id) == ("MISS", 1)
    refused = await door.ask(served, "28 once more", False, gateway_id)
    assert refused.status_code == 429 and "2003" in refused.text
    assert await told(served, door, "28", False, gateway_id) == ("HIT", 0)


async def test_29_an_update_empties(served: Served) -> None:
    for invalidates, expected in ((True, ("MISS", 1)), (False, ("HIT", 0))):
        gateway_id = f"updated-{invalidates}".lower()
        made = {**SETTINGS, "id": gateway_id, "cache_invalidate_on_update": invalidates}
        assert (await served.gateway.manage("POST", "gateways", made)).status_code == 200
        door = BY_NAME["chat"]
        assert await told(served, door, "29", False, gateway_id) == ("MISS", 1)
        updated = await served.gateway.manage("PATCH", f"gateways/{gateway_id}", {"cache_ttl": 200})
        assert updated.status_code == 200
        assert await told(served, door, "29", False, gateway_id) == expected
