"""Limits through a running gateway: at every address, whole and streamed, in each caller's words; and every end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from data_plane.caching.doors import BY_NAME, DOORS, Door
from data_plane.caching.served import SETTINGS, Served, served_by
from data_plane.gateway_host.socket_client import chat, create, opened, url

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = 3600
OFF = {**SETTINGS, "cache_ttl": 0}
ONE = {**OFF, "rate_limiting_limit": 1, "rate_limiting_interval": HOUR, "rate_limiting_technique": "sliding"}
PARTITION = {"mode": "partition"}

each_case = pytest.mark.parametrize(
    ("door", "stream"),
    [
        pytest.param(door, stream, id=f"{door.name}-{'stream' if stream else 'whole'}")
        for door in DOORS
        for stream in door.ways
    ],
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served_by(tmp_path_factory.mktemp("rates"), max_gateways_per_account=200) as served:
        yield served


def rules(*given: dict[str, Any]) -> dict[str, Any]:
    sliding = [{"technique": "sliding", **rule} for rule in given]
    return {**OFF, "rate_limits": {"enabled": True, "rules": sliding}}


async def make(served: Served, name: str, settings: dict[str, Any]) -> str:
    """A gateway of its own for each case: nothing is waited for."""
    made = await served.gateway.manage("POST", "gateways", {**settings, "id": name})
    assert made.status_code == 200 and made.json()["messages"] == [], made.text
    return name


def codes(value: Any) -> Iterator[int]:
    """All numbers in an error, however its dialect nests it; and those that stand as texts."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from codes(each)
    elif isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
        yield int(value)


def assert_refused(answer: httpx.Response, limit: int = 1) -> None:
    assert answer.status_code == 429, answer.text
    assert 2003 in codes(answer.json()), answer.text
    assert "Rate limited: this gateway lets through at most" in answer.text
    told = [int(answer.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset")]
    assert told[:2] == [limit, 0] and told[2] == int(answer.headers["retry-after"]) >= 1


@each_case
async def test_one_more_than_the_limit(served: Served, door: Door, stream: bool) -> None:
    name = await make(served, f"{door.name}-{'s' if stream else 'w'}", ONE)
    before = served.asked
    first = await door.ask(served, "Hello.", stream, name)
    assert first.status_code == 200, first.text
    assert [first.headers[f"x-ratelimit-{each}"] for each in ("limit", "remaining", "reset")] == ["1", "0", str(HOUR)]
    second = await door.ask(served, "Hello again.", stream, name)
    assert_refused(second)
    assert HOUR - 60 < int(second.headers["retry-after"]) <= HOUR
    assert served.asked == before + 1
    row = await served.row_of(second, name)
    assert (row["status_code"], row["end"]) == (429, "refused")


async def test_errors_are_in_the_callers_dialect(served: Served) -> None:
    shapes = {}
    for door in ("chat", "messages", "gemini", "run-prompt", "native-openai"):
        name = await make(served, f"shape-{door}", ONE)
        await BY_NAME[door].ask(served, "Hello.", False, name)
        shapes[door] = (await BY_NAME[door].ask(served, "Hello.", False, name)).json()
    assert shapes["chat"]["error"]["type"] == shapes["messages"]["error"]["type"] == "rate_limit_error"
    assert shapes["messages"]["type"] == "error"
    assert shapes["gemini"]["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert shapes["run-prompt"]["errors"][0]["code"] == 2003
    assert shapes["native-openai"]["name"] == "AiGatewayError" and shapes["native-openai"]["internalCode"] == 2003


@pytest.mark.parametrize("technique", ["fixed", "sliding"])
async def test_100_callers_at_once(served: Served, technique: str) -> None:
    """A fixed window of a year: none ends in the midst of it, but at its very end."""
    year = 365 * 24 * HOUR
    rule = {"limit": 20, "limitType": "requests", "window": year, "technique": technique}
    name = await make(served, f"many-{technique}", rules(rule))
    before = served.asked
    answers = await asyncio.gather(*[BY_NAME["chat"].ask(served, "Hi.", False, name) for _ in range(100)])
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (20, 80)
    assert served.asked == before + 20
    left = sorted(int(answer.headers["x-ratelimit-remaining"]) for answer in answers if answer.status_code == 200)
    assert left == list(range(20))


async def test_each_value_of_metadata(served: Served) -> None:
    rule = {"limit": 1, "limitType": "requests", "window": HOUR, "metadata": {"user": PARTITION}}
    name = await make(served, "by-user", rules(rule))

    async def status(metadata: str | None) -> int:
        headers = {} if metadata is None else {"cf-aig-metadata": metadata}
        answer: httpx.Response = await BY_NAME["chat"].ask(served, "Hi.", False, name, headers=headers)
        return answer.status_code

    assert [await status(f'{{"user": {user}}}') for user in ('"a"', '"b"', "1", '"a"', '"1"')] == [
        *(200, 200, 200, 429, 429)
    ]
    assert [await status(none) for none in (None, None, '{"team": "a"}', '{"user": null}')] == [200] * 4


async def test_each_token(served: Served) -> None:
    rule = {"limit": 1, "limitType": "requests", "window": HOUR, "token": PARTITION}
    settings = {**rules(rule), "authentication": False}
    name = await make(served, "by-token", settings)
    native = BY_NAME["native-openai"]
    statuses = []
    for key in ("sk-of-a-stranger-1", "sk-of-a-stranger-2"):
        stranger = {"authorization": f"Bearer {key}", "cf-aig-authorization": ""}
        statuses.append((await native.ask(served, "Hi.", False, name, headers=stranger)).status_code)
    statuses += [(await native.ask(served, "Hi.", False, name)).status_code for _ in range(2)]
    assert statuses == [200, 429, 200, 429]  # strangers share one


async def test_a_hit_takes_nothing(served: Served) -> None:
    name = await make(served, "with-cache", {**ONE, "cache_ttl": 300, "rate_limiting_limit": 2})
    for door in (BY_NAME["chat"], BY_NAME["native-anthropic"]):
        for number in range(4):
            answer = await door.ask(served, "The same.", False, name)
            assert answer.status_code == 200
            assert (answer.headers["cf-aig-cache-status"] == "HIT") == (number > 0)
            assert ("x-ratelimit-limit" in answer.headers) == (number == 0)
    assert_refused(await BY_NAME["chat"].ask(served, "Another.", False, name), limit=2)
    assert (await BY_NAME["chat"].ask(served, "The same.", False, name)).status_code == 200


async def test_steps_of_the_universal_endpoint_count_once(served: Served) -> None:
    name = await make(served, "steps", {**ONE, "rate_limiting_limit": 2})
    step = BY_NAME["universal"].asked("Hi.", False)
    fails = msgspec.json.decode(msgspec.json.encode(step).replace(b"Hi.", b"[[sim: fault=500]]"))
    before = served.asked
    fails["config"] = {"maxAttempts": 2, "retryDelay": 0}
    body = [fails, {**fails, "provider": "compat"}, step]
    body[1]["query"] = {**fails["query"], "model": "openai/gpt-4o"}
    answer = await BY_NAME["universal"].ask(served, "", False, name, body=body)
    assert (answer.status_code, answer.headers["cf-aig-step"]) == (200, "2"), answer.text
    assert answer.headers["x-ratelimit-remaining"] == "1"
    assert served.asked == before + 5
    assert (await BY_NAME["universal"].ask(served, "Hi.", False, name)).status_code == 200
    assert_refused(await BY_NAME["universal"].ask(served, "", False, name, body=body), limit=2)


async def test_tokens_are_what_was_used(served: Served) -> None:
    name = await make(served, "tokens", rules({"limit": 100_000, "limitType": "tokens", "window": HOUR}))
    used = 0
    for door, stream in (("chat", False), ("chat", True), ("messages-translated", True), ("native-anthropic", False)):
        answer = await BY_NAME[door].ask(served, "Tell of it.", stream, name)
        row = await served.row_of(answer, name)
        taken = 100_000 - used - int(answer.headers["x-ratelimit-remaining"])
        assert 0 < taken < 100, door  # an estimate, as long as nobody knows
        used += row["tokens_in"] + row["tokens_out"]
    counted = await BY_NAME["chat"].ask(served, "And more.", False, name)
    assert 100_000 - used - int(counted.headers["x-ratelimit-remaining"]) < 100


@pytest.mark.parametrize("path", ["{ai}/v1/messages/count_tokens", "{host}/anthropic/v1/messages/count_tokens"])
async def test_counting_takes_no_tokens(served: Served, path: str) -> None:
    name = await make(served, f"count-{path[1:3]}", rules({"limit": 1000, "limitType": "tokens", "window": HOUR}))
    model = "claude-haiku-4-5" if "host" in path else "anthropic/claude-haiku-4-5"
    at = path.format(ai=f"{served.gateway.account}/ai", host=f"/v1/{served.account}/{name}")
    text = {"model": model, "messages": [{"role": "user", "content": "word " * 1000}]}
    counted = await served.post(at, text, name, {"anthropic-version": "2023-06-01"})
    assert counted.status_code == 200 and "x-ratelimit-limit" not in counted.headers, counted.text
    asked = await BY_NAME["chat"].ask(served, "Hi.", False, name)
    assert int(asked.headers["x-ratelimit-remaining"]) > 900


async def test_messages_of_a_socket(served: Served) -> None:
    name = await make(served, "socket", ONE)
    told = ("rateLimitLimit", "rateLimitRemaining", "rateLimitReset", "retryAfter")
    async with opened(served.gateway, address=url(served.gateway, name)) as socket:
        first = (await socket.answer(create("a", chat("Hi."))))["metadata"]
        assert [first["status"], *map(first.get, told)] == [200, "1", "0", "3600", None]
        second = await socket.answer(create("b", chat("Hi.")))
        assert second["metadata"]["status"] == 429 and 2003 in codes(second["response"])
        assert [second["metadata"][each] for each in told[:2]] == ["1", "0"]
        assert second["metadata"]["retryAfter"] == second["metadata"]["rateLimitReset"]


# In flight.

SLOW = "[[sim: slow_first_byte=60000]]"
STALLED = "[[sim: events=12 stall_after=4]]"


async def test_in_flight_is_freed_however_a_call_ends(served: Served) -> None:
    """Its one place is free again for whoever asks next, at once: after each end another call follows."""
    name = await make(served, "in-flight", rules({"limit": 1, "limitType": "in_flight"}))
    ends = [
        *("Hello.", "[[sim: fault=500]]", "[[sim: fault=429]]", "[[sim: fault=400]]", "[[sim: cut_after=3]]"),
        *("[[sim: error_event_after=2]]", "[[sim: fault=malformed]]", "Hello."),
    ]
    for door in ("chat", "messages-translated", "run-chat", "compat", "native-openai", "universal"):
        for text in ends:
            for stream in (False, True):
                try:
                    answer = await BY_NAME[door].ask(served, text, stream, name)
                except httpx.RemoteProtocolError:
                    continue  # cut in its middle
                assert "requests at a time" not in answer.text, (door, text, stream)
    nowhere = await BY_NAME["chat"].ask(served, "", False, name, body={"model": "openai/x", "messages": []})
    assert "requests at a time" not in nowhere.text
    assert (await BY_NAME["chat"].ask(served, "Hello.", False, name)).status_code == 200


@pytest.mark.parametrize("text", [SLOW, STALLED], ids=["before its answer", "in the midst of it"])
@pytest.mark.parametrize("door", ["chat", "responses-stored", "messages-translated", "native-openai", "universal"])
async def test_in_flight_is_freed_when_the_caller_leaves(served: Served, door: str, text: str) -> None:
    name = await make(served, f"left-{door}-{len(text)}", rules({"limit": 1, "limitType": "in_flight"}))
    seen = len(served.simulator.requests)
    asking = asyncio.ensure_future(BY_NAME[door].ask(served, text, True, name))
    await served.simulator.seen(seen + 1)
    refused = await BY_NAME["chat"].ask(served, "Hi.", False, name)
    assert_refused(refused)
    assert refused.headers["retry-after"] == "1"
    assert served.asked == seen + 1
    asking.cancel()
    async with asyncio.timeout(5):
        await served.simulator.requests[-1].closed_early.wait()
        while (await BY_NAME["chat"].ask(served, "Hi.", False, name)).status_code != 200:
            pass


async def test_a_background_response_holds_its_place_to_its_own_end(served: Served) -> None:
    name = await make(served, "background", rules({"limit": 1, "limitType": "in_flight"}))
    seen = len(served.simulator.requests)
    path = f"{served.gateway.account}/ai/v1/responses"
    body = {"model": "openai/gpt-4o", "input": SLOW, "background": True}
    answer = await served.post(path, body, name)
    assert answer.json()["status"] == "queued"
    await served.simulator.seen(seen + 1)
    assert_refused(await BY_NAME["chat"].ask(served, "Hi.", False, name))
    cancelled = await served.post(f"{path}/{answer.json()['id']}/cancel", b"", name)
    assert cancelled.json()["status"] == "cancelled"
    assert (await BY_NAME["chat"].ask(served, "Hi.", False, name)).status_code == 200
