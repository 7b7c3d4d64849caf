"""Callers who ask for the same at the same time: one call to the provider, one usage, an answer for each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import Gateway, StartGateway
from data_plane import spoken
from data_plane.callers import AT, CALLERS, CHAT, MESSAGES, RESPONSES, ask, asked, path, providers
from data_plane.odd_provider import LAST_CHUNK, Asked, OddProvider, chunk, http, stream_head
from data_plane.runs.paced import Paced, begin, paced, resume

TEXTS = ("One ", "two ", "three.")
MANY = 100


@pytest.fixture
async def provider() -> AsyncIterator[OddProvider]:
    async with OddProvider() as running:
        yield running


@pytest.fixture
async def cached(start_gateway: StartGateway, provider: OddProvider, tmp_path: Path) -> Gateway:
    """Its gateways cache; its providers are the odd one."""
    gateway = await start_gateway(config_file=providers(tmp_path, provider.url))
    for gateway_id in ("default", "other"):
        settings = {"id": gateway_id, "cache_invalidate_on_update": False, "cache_ttl": 300, "collect_logs": True}
        limits = {"rate_limiting_interval": 0, "rate_limiting_limit": 0}
        assert (await gateway.manage("POST", "gateways", {**settings, **limits})).status_code == 200
    return gateway


class Held:
    """An answer that comes when the test lets it."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.let = asyncio.Event()

    async def answer(self, _: Asked) -> AsyncIterator[bytes]:
        await self.let.wait()
        for piece in self._pieces:
            yield piece


def whole(dialect: str) -> bytes:
    return http(spoken.whole(dialect, "".join(TEXTS)))


async def all_wait(provider: OddProvider, count: int) -> None:
    """Until the provider has been asked, and so many calls are in the gateway (which runs in this loop) and stand."""
    async with asyncio.timeout(10):
        while not provider.requests or _calls() < count:
            await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)


def _calls() -> int:
    return sum(
        getattr(task.get_coro(), "__qualname__", "") == "RequestResponseCycle.run_asgi" for task in asyncio.all_tasks()
    )


async def rows(gateway: Gateway, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        while True:
            found: list[dict[str, Any]] = []
            for page in range(1, 2 + count // 50):
                answer = await gateway.manage("GET", f"gateways/default/logs?per_page=50&page={page}")
                found += answer.json()["result"]
            if len(found) >= count:
                return found


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_hundred_who_ask_for_the_same(
    cached: Gateway, provider: OddProvider, caller: str, stream: bool
) -> None:
    pieces = spoken.stream(caller, *TEXTS)
    held = Held(stream_head(), *map(chunk, pieces), LAST_CHUNK) if stream else Held(whole(caller))
    provider.answer = held.answer
    asking = [asyncio.ensure_future(ask(cached, caller, AT[caller], "Hi.", stream=stream)) for _ in range(MANY)]
    await all_wait(provider, MANY)
    held.let.set()
    answers = await asyncio.gather(*asking)
    assert len(provider.requests) == 1
    assert {answer.status_code for answer in answers} == {200}
    statuses = Counter(answer.headers["cf-aig-cache-status"] for answer in answers)
    assert statuses == {"MISS": 1, "HIT": MANY - 1}
    if caller != RESPONSES:  # each has its own id there, where it is kept
        assert len({answer.content for answer in answers}) == 1
    assert Counter(row["cached"] for row in await rows(cached, MANY)) == {False: 1, True: MANY - 1}


async def test_some_want_a_stream_and_some_do_not(cached: Gateway, provider: OddProvider) -> None:
    answer = paced(CHAT, *TEXTS)
    provider.answer = answer.answer
    asking = [
        asyncio.ensure_future(ask(cached, caller, AT[CHAT], "Hi.", stream=stream))
        for caller in (CHAT, MESSAGES)
        for stream in (True, False, True)
    ]
    await all_wait(provider, len(asking))
    answer.allow()
    answers = await asyncio.gather(*asking)
    assert len(provider.requests) == 1
    assert [("event-stream" in each.headers["content-type"]) for each in answers] == [True, False, True] * 2
    for each in answers:
        assert each.status_code == 200
        for text in TEXTS:
            assert text.strip() in each.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("when", ["before the head", "in the middle"])
async def test_the_first_caller_leaves(cached: Gateway, provider: OddProvider, stream: bool, when: str) -> None:
    answer = _paced(stream)
    provider.answer = answer.answer
    _, writer = await cached.connect()
    body = asked(CHAT, AT[CHAT], "Hi.", stream=stream)
    writer.write(cached.request(path(CHAT, AT[CHAT]), msgspec.json.encode(body)))
    await all_wait(provider, 1)
    following = [asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.", stream=stream)) for _ in range(3)]
    await all_wait(provider, 4)
    if when == "in the middle":
        answer.allow(2)
    writer.close()
    await writer.wait_closed()
    answer.allow()
    answers = await asyncio.gather(*following)
    assert len(provider.requests) == 1
    for each in answers:
        assert (each.status_code, each.headers["cf-aig-cache-status"]) == (200, "HIT")
        assert "three." in each.text
    found = await rows(cached, 4)
    (left,) = (row for row in found if not row["cached"])
    assert (left["end"], left["status_code"]) == ("caller_left", 499)
    assert left["tokens_in"] and left["tokens_out"], "the provider gave the whole answer, and wants its money"
    again = await ask(cached, CHAT, AT[CHAT], "Hi.", stream=stream)
    assert (again.headers["cf-aig-cache-status"], len(provider.requests)) == ("HIT", 1)


async def test_when_all_have_left_the_provider_is_left(cached: Gateway, provider: OddProvider) -> None:
    answer = paced(CHAT, *TEXTS)
    provider.answer = answer.answer
    request = cached.request(path(CHAT, AT[CHAT]), msgspec.json.encode(asked(CHAT, AT[CHAT], "Hi.", stream=True)))
    writers = []
    for number in range(1, 4):
        writers.append((await cached.connect())[1])
        writers[-1].write(request)
        await all_wait(provider, number)
    answer.allow(2)
    for writer in writers:
        writer.close()
    await asyncio.wait_for(provider.requests[0].left.wait(), 5)
    found = await rows(cached, 3)
    assert {row["end"] for row in found} == {"caller_left"}
    provider.answer = Held(whole(CHAT)).answer
    again = asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.", stream=True))
    await asyncio.wait_for(_asked(provider, 2), 5)
    again.cancel()


@pytest.mark.parametrize(("status", "told"), [(429, 429), (500, 502), (401, 503)])
async def test_a_refusal_is_everybodys(cached: Gateway, provider: OddProvider, status: int, told: int) -> None:
    held = Held(http(b'{"error":{"message":"no","type":"x"}}', status=status))
    provider.answer = held.answer
    asking = [asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.")) for _ in range(10)]
    await all_wait(provider, 10)
    held.let.set()
    answers = await asyncio.gather(*asking)
    assert len(provider.requests) == 1
    assert len({(each.status_code, each.content.count(b"error")) for each in answers}) == 1
    assert {each.headers["cf-aig-cache-status"] for each in answers} == {"MISS"}
    assert not any(row["cached"] for row in await rows(cached, 10))
    held.let.set()
    provider.answer = Held(whole(CHAT)).answer
    again = asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi."))
    await asyncio.wait_for(_asked(provider, 2), 5)
    again.cancel()


async def test_an_answer_that_breaks_off_does_so_for_all_and_is_not_kept(
    cached: Gateway, provider: OddProvider
) -> None:
    answer = Paced(*spoken.stream(CHAT, *TEXTS)[:2], ended=False)
    provider.answer = answer.answer
    asking = [asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.", stream=True)) for _ in range(3)]
    await all_wait(provider, 3)
    answer.allow()
    for each in await asyncio.gather(*asking):
        assert each.status_code == 200 and each.text.count("Try your request again") == 2, each.text
    assert {row["end"] for row in await rows(cached, 3)} == {"interrupted"}
    provider.answer = paced(CHAT, *TEXTS).answer
    again = asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.", stream=True))
    await asyncio.wait_for(_asked(provider, 2), 5)
    again.cancel()


async def test_a_slow_first_caller_keeps_nobody_up(cached: Gateway, provider: OddProvider) -> None:
    big = "x" * 400_000
    pieces = spoken.stream(CHAT, *[big] * 20)
    held = Held(stream_head(), *map(chunk, pieces), LAST_CHUNK)
    provider.answer = held.answer
    _, writer = await cached.connect()  # and never reads
    writer.write(cached.request(path(CHAT, AT[CHAT]), msgspec.json.encode(asked(CHAT, AT[CHAT], "Hi.", stream=True))))
    await all_wait(provider, 1)
    following = asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.", stream=True))
    await all_wait(provider, 2)
    held.let.set()
    answer = await asyncio.wait_for(following, 10)
    assert answer.text.count(big) == 20
    writer.transport.abort()


async def test_others_gateways_and_other_questions_do_not_wait(cached: Gateway, provider: OddProvider) -> None:
    held = Held(whole(CHAT))
    provider.answer = held.answer
    asking = [
        asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.")),
        asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.", headers={"cf-aig-gateway-id": "other"})),
        asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Ho.")),
        asyncio.ensure_future(ask(cached, MESSAGES, AT[MESSAGES], "Hi.")),
    ]
    await asyncio.wait_for(_asked(provider, 4), 5)
    held.let.set()
    await asyncio.gather(*asking)


def _paced(stream: bool) -> Paced:
    if stream:
        return paced(CHAT, *TEXTS)
    body = spoken.whole(CHAT, "".join(TEXTS))
    third = len(body) // 3

    class Whole(Paced):
        async def answer(self, _: Asked) -> AsyncIterator[bytes]:
            yield f"HTTP/1.1 200 So\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            for number, start in enumerate(range(0, len(body), third)):
                while self.allowed <= number:
                    self._more.clear()
                    await self._more.wait()
                yield body[start : start + third]

    return Whole()


async def _asked(provider: OddProvider, count: int) -> None:
    while len(provider.requests) < count:
        await asyncio.sleep(0)


async def test_a_hurried_first_caller_hurries_nobody(cached: Gateway, provider: OddProvider) -> None:
    held = Held(whole(CHAT))
    provider.answer = held.answer
    leading = asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.", headers={"cf-aig-request-timeout": "300"}))
    await all_wait(provider, 1)
    following = [asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi.")) for _ in range(3)]
    await all_wait(provider, 4)
    assert (await leading).status_code == 504
    await asyncio.wait_for(_asked(provider, 2), 5)
    held.let.set()
    assert [each.status_code for each in await asyncio.gather(*following)] == [200] * 3
    assert len(provider.requests) == 2


async def test_who_joins_waits_no_longer_than_it_wants(cached: Gateway, provider: OddProvider) -> None:
    held = Held(whole(CHAT))
    provider.answer = held.answer
    leading = asyncio.ensure_future(ask(cached, CHAT, AT[CHAT], "Hi."))
    await all_wait(provider, 1)
    hurried = await ask(cached, CHAT, AT[CHAT], "Hi.", headers={"cf-aig-request-timeout": "100"})
    assert hurried.status_code == 504
    held.let.set()
    assert ((await leading).status_code, len(provider.requests)) == (200, 1)


async def test_a_stream_that_can_be_come_back_to_goes_on_alone(cached: Gateway, provider: OddProvider) -> None:
    answer = paced(CHAT, *TEXTS)
    provider.answer = answer.answer
    beginning = asyncio.ensure_future(begin(cached, CHAT, AT[CHAT]))
    await all_wait(provider, 1)
    answer.allow(2)
    caller = await beginning
    await caller.blocks(1)
    await caller.leave()
    back = await resume(cached, caller.run_id, None)
    for count in range(3, 6):  # one by one: each is asked for when the one before it is here
        answer.allow(count)
        await back.blocks(count - 1)
    answer.allow()
    assert b"three." in await back.rest()
    (row,) = await rows(cached, 1)
    assert (row["end"], row["status_code"]) == ("completed", 200)
    again = await ask(cached, CHAT, AT[CHAT], "Say something.", stream=True)
    assert (again.headers["cf-aig-cache-status"], len(provider.requests)) == ("HIT", 1)


async def test_what_runs_in_the_background_is_cancelled_at_once(cached: Gateway, provider: OddProvider) -> None:
    answer = paced(RESPONSES, *TEXTS)
    provider.answer = answer.answer
    body = asked(RESPONSES, AT[RESPONSES], "Hi.") | {"background": True, "store": True}
    made = await cached.post("v1/responses", body)
    await asyncio.wait_for(_asked(provider, 1), 5)
    other = asyncio.ensure_future(ask(cached, RESPONSES, AT[RESPONSES], "Hi."))
    await asyncio.wait_for(_asked(provider, 2), 5)
    cancelled = await asyncio.wait_for(cached.post(f"v1/responses/{made.json()['id']}/cancel"), 5)
    assert cancelled.json()["status"] == "cancelled"
    answer.allow()
    assert "three." in (await other).text
