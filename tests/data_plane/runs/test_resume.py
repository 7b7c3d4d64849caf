"""A caller who was cut off gets the rest of its stream: once, and byte for byte what it would have got."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from conftest import LOCAL
from data_plane.callers import AT, CHAT, GEMINI, asked, complete
from data_plane.odd_provider import OddProvider
from data_plane.runs.paced import (
    ASKING,
    NOT_FOUND,
    RELAYED,
    TRANSLATED,
    Listener,
    Paced,
    address,
    begin,
    paced,
    post,
    resume,
    rows,
)

TEXTS = ("One ", "two ", "three ", "four.")


async def plain(gateway: Any, provider: OddProvider, caller: str, dialect: str) -> bytes:
    """What a caller gets that is not cut off."""
    answer = paced(dialect, *TEXTS)
    answer.allow()
    provider.answer = answer.answer
    listener = await begin(gateway, caller, AT[dialect], headers={})
    assert "cf-aig-run-id" not in listener.response.headers
    return await listener.rest()


@pytest.mark.parametrize(("caller", "dialect"), RELAYED)
async def test_cut_at_every_event_while_it_goes_on(
    start: Any, provider: OddProvider, caller: str, dialect: str
) -> None:
    gateway = await start()
    expected = await plain(gateway, provider, caller, dialect)
    count = expected.count(b"\n\n")
    for blocks in range(1, count):
        answer = paced(dialect, *TEXTS)
        provider.answer = answer.answer
        answer.allow(blocks)
        listener = await begin(gateway, caller, AT[dialect])
        given = await listener.blocks(blocks)
        await listener.leave()
        assert given == expected[: len(given)]
        back = await resume(gateway, listener.run_id, blocks)
        assert back.response.status_code == 200 and back.run_id == listener.run_id
        assert back.response.headers["content-type"] == listener.response.headers["content-type"]
        answer.allow()
        assert given + await back.rest() == expected
    found = await rows(gateway, count)
    assert len(found) == len(provider.requests) == count
    assert {(row["end"], row["status_code"], row["success"]) for row in found} == {("completed", 200, True)}
    assert len({row["tokens_out"] for row in found}) == 1


@pytest.mark.parametrize(("caller", "dialect"), RELAYED + TRANSLATED)
async def test_cut_at_every_event_and_back_after_the_end(
    start: Any, provider: OddProvider, caller: str, dialect: str
) -> None:
    gateway = await start()
    expected = await plain(gateway, provider, caller, dialect)
    for blocks in range(1, expected.count(b"\n\n") + 1):
        answer = paced(dialect, *TEXTS)
        answer.allow()
        provider.answer = answer.answer
        listener = await begin(gateway, caller, AT[dialect])
        given = await listener.blocks(blocks)
        await listener.leave()
        back = await (await resume(gateway, listener.run_id, blocks)).rest()
        all_of_it = await (await resume(gateway, listener.run_id, 0)).rest()
        assert given + back == all_of_it
        assert all_of_it.count(b"\n\n") == expected.count(b"\n\n") and complete(caller, all_of_it.decode())
        if (caller, dialect) in RELAYED:
            assert all_of_it == expected
    assert {row["end"] for row in await rows(gateway, len(provider.requests))} == {"completed"}


@pytest.mark.usefixtures("smollm2")
async def test_the_native_form_of_a_local_model(start: Any, smollm2: Path, tmp_path: Path) -> None:
    data = tmp_path / "local"
    (data / "models").mkdir(parents=True)
    (data / "models" / smollm2.name).symlink_to(smollm2)
    gateway = await start(data_directory=str(data))
    body = {"messages": [{"role": "user", "content": "Count to five."}], "stream": True, "max_tokens": 12}
    answer = await gateway.post(f"run/{LOCAL}", body, headers=ASKING)
    assert answer.content.endswith(b"data: [DONE]\n\n")
    count = answer.content.count(b"\n\n")
    assert count > 3
    for blocks in range(count + 1):
        back = await resume(gateway, answer.headers["cf-aig-run-id"], blocks)
        rest = await back.rest()
        assert answer.content.endswith(rest) and rest.count(b"\n\n") == count - blocks


async def test_several_read_one_run(start: Any, provider: OddProvider) -> None:
    gateway = await start()
    answer = paced(CHAT, *TEXTS)
    provider.answer = answer.answer
    answer.allow(1)
    first = await begin(gateway, CHAT, AT[CHAT])
    others = [await resume(gateway, first.run_id, blocks) for blocks in (0, 1, 0)]
    answer.allow(3)
    await first.blocks(3)
    for other, blocks in zip(others, (3, 2, 3), strict=True):
        await other.blocks(blocks)
    await others[0].leave()
    late = await resume(gateway, first.run_id, 2)
    answer.allow()
    whole = await first.rest()
    assert await others[1].rest() == whole[whole.index(b"\n\n") + 2 :]
    assert await others[2].rest() == whole
    assert whole.endswith(await late.rest())
    assert len(provider.requests) == len(await rows(gateway, 1)) == 1


async def test_one_who_reads_slowly_holds_up_nobody(start: Any, provider: OddProvider) -> None:
    gateway = await start()
    answer = Paced(*paced(CHAT, *("x" * 30_000 for _ in range(300))).events)  # more than sockets hold between them
    provider.answer = answer.answer
    answer.allow(1)
    slow = await begin(gateway, CHAT, AT[CHAT])
    await slow.blocks(1)
    answer.allow()
    quick = await (await resume(gateway, slow.run_id, 0)).rest()
    assert quick.endswith(b"data: [DONE]\n\n")
    assert await slow.rest() == quick


async def test_keep_alives_are_counted(start: Any, provider: OddProvider) -> None:
    gateway = await start(stream_keep_alive_seconds=0.02)
    for caller in (CHAT, GEMINI):
        answer = paced(caller, *TEXTS)
        provider.answer = answer.answer
        answer.allow(2)
        listener = await begin(gateway, caller, AT[caller])
        given = await listener.blocks(5)
        await listener.leave()
        back = await resume(gateway, listener.run_id, 5)
        answer.allow()
        rest = await back.rest()
        assert given + rest == await (await resume(gateway, listener.run_id, 0)).rest()
        assert complete(caller, (given + rest).decode())


async def test_the_end_of_what_there_is(start: Any, provider: OddProvider) -> None:
    gateway = await start()
    answer = paced(CHAT, *TEXTS)
    provider.answer = answer.answer
    answer.allow(2)
    listener = await begin(gateway, CHAT, AT[CHAT])
    await listener.blocks(2)
    ahead = await resume(gateway, listener.run_id, 3)
    assert (ahead.response.status_code, await ahead.rest()) == (404, NOT_FOUND)
    waiting = await resume(gateway, listener.run_id, 2)
    answer.allow()
    whole = await listener.rest()
    assert whole.endswith(await waiting.rest())
    count = whole.count(b"\n\n")
    nothing = await resume(gateway, listener.run_id, count)
    assert (nothing.response.status_code, await nothing.rest()) == (200, b"")
    beyond = await resume(gateway, listener.run_id, count + 1)
    assert (beyond.response.status_code, await beyond.rest()) == (404, NOT_FOUND)
    # the other ways to say it
    for headers in ({"last-event-id": "3"}, {"Last-Event-ID": "3"}):
        assert await (await resume(gateway, listener.run_id, None, headers)).rest() == await _after(listener, 3)
    assert await (await resume(gateway, listener.run_id, 1, {"last-event-id": "3"})).rest() == await _after(listener, 1)
    assert await (await resume(gateway, listener.run_id, None)).rest() == whole
    head = await gateway.client.head(address(gateway, listener.run_id), headers=gateway.headers)
    assert (head.status_code, head.content, head.headers["cf-aig-run-id"]) == (200, b"", listener.run_id)
    assert len(await rows(gateway, 1)) == 1


async def _after(listener: Listener, blocks: int) -> bytes:
    return listener.received[len(await listener.blocks(blocks)) :]


@pytest.mark.parametrize("said", ["x", "-1", "1.5", "", "9" * 13, "%00", "1&from=x&from"])
async def test_a_number_that_is_none(start: Any, provider: OddProvider, said: str) -> None:
    gateway = await start()
    answer = await gateway.client.get(address(gateway, "0" * 8) + f"?from={said}", headers=gateway.headers)
    if said == "1&from=x&from":  # the first one counts
        assert answer.status_code == 404
        return
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["success"] is False and "from" in problem["errors"][0]["message"]


async def test_whose_it_is_not(start: Any, provider: OddProvider) -> None:
    gateway = await start()
    await gateway.manage("POST", "gateways", {"id": "other", **SETTINGS})
    answer = paced(CHAT, *TEXTS)
    answer.allow()
    provider.answer = answer.answer
    listener = await begin(gateway, CHAT, AT[CHAT])
    await listener.rest()
    run_id, client = listener.run_id, gateway.client
    for url in (
        address(gateway, run_id, "other"),
        address(gateway, run_id, "nowhere"),
        address(gateway, "00000000-0000-7000-8000-000000000000"),
        address(gateway, "..bootstrap.json"),
        address(gateway, run_id.upper()),
    ):
        found = await client.get(url, headers=gateway.headers)
        assert (found.status_code, found.content) == (404, NOT_FOUND), url
        assert found.headers["content-type"] == "application/json"
    out = await client.get(address(gateway, "..%2f..%2fbootstrap.json"), headers=gateway.headers)
    assert (out.status_code, out.json()["errors"][0]["code"]) == (404, 7003)
    stranger = await client.get(address(gateway, run_id))
    assert stranger.status_code == 401 and stranger.json()["errors"][0]["code"] == 10000
    wrong = await client.post(address(gateway, run_id), headers=gateway.headers)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")
    assert (await client.get(address(gateway, run_id), headers=gateway.headers)).status_code == 200


SETTINGS = {
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
    "rate_limiting_technique": "fixed",
}


@pytest.mark.parametrize(
    ("setting", "headers", "resumable"),
    [("off", ASKING, False), ("asked", {}, False), ("asked", ASKING, True), ("all", {}, True)],
)
async def test_which_streams_are_resumable(
    start: Any, provider: OddProvider, tmp_path: Path, setting: str, headers: dict[str, str], resumable: bool
) -> None:
    gateway = await start(resumable_streams=setting)
    answer = paced(CHAT, *TEXTS)
    answer.allow()
    provider.answer = answer.answer
    listener = await begin(gateway, CHAT, AT[CHAT], headers=headers)
    await listener.rest()
    assert ("cf-aig-run-id" in listener.response.headers) is resumable
    directory = tmp_path / "data0" / "runs"
    assert directory.exists() is resumable
    if resumable:
        (file,) = directory.iterdir()
        assert (file.stat().st_mode & 0o777, directory.stat().st_mode & 0o777) == (0o600, 0o700)
        assert b"Say something" not in file.read_bytes() and b"Bearer" not in file.read_bytes()


async def test_what_is_no_stream_is_no_run(gateway: Any, simulator: Any) -> None:
    for stream, model in ((False, "openai/gpt-4o"), (True, "openai/gpt-nothing")):
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
        answer = await gateway.post("v1/chat/completions", body, headers=ASKING)
        assert "cf-aig-run-id" not in answer.headers
        assert (answer.status_code == 200) is not stream


async def test_over_the_gateway_host(start: Any, provider: OddProvider) -> None:
    gateway = await start()
    expected = await plain(gateway, provider, CHAT, CHAT)
    account_id = gateway.running.account_id
    for path, model in (("compat/chat/completions", AT[CHAT]), ("openai/chat/completions", "gpt-4o")):
        answer = paced(CHAT, *TEXTS)
        answer.allow(2)
        provider.answer = answer.answer
        headers = {"cf-aig-authorization": gateway.headers["authorization"], **ASKING}
        listener = await post(
            gateway, f"/v1/{account_id}/default/{path}", asked(CHAT, model, "Say.", stream=True), headers
        )
        given = await listener.blocks(2)
        await listener.leave()
        back = await resume(gateway, listener.run_id, 2)
        answer.allow()
        whole = given + await back.rest()
        assert complete(CHAT, whole.decode())
        if path.startswith("compat"):
            assert whole == expected
    assert {row["end"] for row in await rows(gateway, 3)} == {"completed"}


async def test_many_at_once(gateway: Any, simulator: Any) -> None:
    async def one(number: int) -> None:
        caller = RELAYED[number % 2][0]
        listener = await begin(gateway, caller, "openai/gpt-4o")
        blocks = 1 + number % 5
        given = await listener.blocks(blocks)
        await listener.leave()
        back = await (await resume(gateway, listener.run_id, blocks)).rest()
        assert given + back == await (await resume(gateway, listener.run_id, 0)).rest()

    await asyncio.gather(*map(one, range(24)))
    assert len(simulator.requests) == 24 == len(await rows(gateway, 24))
