"""While a caller is away: its answer goes on or stops, is paid for once, and leaves one row that says how it ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from data_plane.callers import AT, CALLERS, CHAT, MESSAGES, complete, in_band
from data_plane.odd_provider import OddProvider
from data_plane.runs.paced import NOT_FOUND, WAIT_SECONDS, Listener, Paced, begin, paced, resume, rows

TEXTS = ("One ", "two ", "three ", "four.")
KIB = 1024


async def started(gateway: Any, provider: OddProvider, answer: Paced, caller: str = CHAT, blocks: int = 2) -> Listener:
    """A caller who has so many events, and a provider that waits."""
    provider.answer = answer.answer
    answer.allow(blocks)
    listener = await begin(gateway, caller, AT[caller])
    await listener.blocks(blocks)
    return listener


async def only_row(gateway: Any) -> dict[str, Any]:
    (row,) = await rows(gateway, 1)
    return row


@pytest.mark.parametrize("caller", CALLERS)
async def test_an_answer_goes_on_without_its_caller(start: Any, provider: OddProvider, caller: str) -> None:
    gateway = await start()
    answer = paced(caller, *TEXTS)
    listener = await started(gateway, provider, answer, caller)
    await listener.leave()
    assert await gateway.rows_or_none() == []
    answer.allow()
    row = await only_row(gateway)
    assert (row["end"], row["success"], row["status_code"], row["tokens_out"]) == ("completed", True, 200, 2)
    back = await (await resume(gateway, listener.run_id, 2)).rest()
    assert complete(caller, (listener.received + back).decode())
    assert len(await rows(gateway, 1)) == len(provider.requests) == 1


@pytest.mark.parametrize("caller", CALLERS)
async def test_an_answer_stops_with_its_caller(start: Any, provider: OddProvider, caller: str) -> None:
    gateway = await start(resume_away="stop")
    answer = paced(caller, *TEXTS)
    listener = await started(gateway, provider, answer, caller)
    other = await resume(gateway, listener.run_id, 1)
    await listener.leave()
    answer.allow(3)  # somebody reads it still
    await other.blocks(2)
    await other.leave()
    await asyncio.wait_for(provider.requests[0].left.wait(), WAIT_SECONDS)
    row = await only_row(gateway)
    assert (row["end"], row["success"], row["status_code"]) == ("caller_left", False, 499)
    back = await (await resume(gateway, listener.run_id, 0)).rest()
    assert back.startswith(listener.received)
    assert "hung up" in in_band(caller, back.decode())
    assert await (await resume(gateway, listener.run_id, 3)).rest() in back


@pytest.mark.parametrize("away", ["continue", "stop"])
async def test_leaving_before_the_first_event(start: Any, provider: OddProvider, tmp_path: Path, away: str) -> None:
    gateway = await start(resume_away=away)
    answer = Paced(b": half an event", *paced(CHAT, *TEXTS).events)  # the commit point, and nothing to give
    answer.allow(1)
    provider.answer = answer.answer
    _, writer = await gateway.connect()
    body = b'{"model":"chatty/gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}'
    writer.write(gateway.request("v1/chat/completions", body, "cf-aig-resumable: true\r\n"))
    async with asyncio.timeout(WAIT_SECONDS):
        while not list(tmp_path.glob("data0/runs/*.run")):
            await asyncio.sleep(0)
    writer.close()
    await asyncio.wait_for(provider.requests[0].left.wait(), WAIT_SECONDS)
    row = await only_row(gateway)
    assert (row["end"], row["status_code"]) == ("caller_left", 499)
    assert not list(tmp_path.glob("data0/runs/*.run"))


@pytest.mark.parametrize("caller", CALLERS)
async def test_the_provider_breaks_off_while_the_caller_is_away(start: Any, provider: OddProvider, caller: str) -> None:
    gateway = await start()
    answer = Paced(*paced(caller, *TEXTS).events[:4], ended=False)
    listener = await started(gateway, provider, answer, caller)
    await listener.leave()
    answer.allow()
    row = await only_row(gateway)
    assert (row["end"], row["success"]) == ("interrupted", False)
    back = await (await resume(gateway, listener.run_id, 2)).rest()
    assert in_band(caller, (listener.received + back).decode())


async def test_an_error_in_the_answers_place_is_no_run(start: Any, provider: OddProvider, tmp_path: Path) -> None:
    gateway = await start()
    answer = Paced(b"data: no event", ended=False)
    answer.allow()
    provider.answer = answer.answer
    listener = await begin(gateway, MESSAGES, AT[CHAT])
    assert listener.response.status_code == 502 and "cf-aig-run-id" not in listener.response.headers
    assert b'"type":"error"' in await listener.rest()
    assert (await only_row(gateway))["status_code"] == 502
    assert not list(tmp_path.glob("data0/runs/*.run"))


async def test_a_run_that_grows_too_long(start: Any, provider: OddProvider, tmp_path: Path) -> None:
    gateway = await start(resume_max_bytes=4 * KIB)
    answer = paced(CHAT, *(f"{number} " * 100 for number in range(40)))
    listener = await started(gateway, provider, answer)
    other = await resume(gateway, listener.run_id, 0)
    answer.allow()
    whole = await listener.rest()
    assert whole.endswith(b"data: [DONE]\n\n") and len(whole) > 8 * KIB
    assert await other.rest() == whole
    gone = await resume(gateway, listener.run_id, 2)
    assert (gone.response.status_code, await gone.rest()) == (404, NOT_FOUND)
    assert not list(tmp_path.glob("data0/runs/*.run"))
    assert (await only_row(gateway))["end"] == "completed"


async def test_a_run_that_grows_too_long_while_its_caller_is_away(start: Any, provider: OddProvider) -> None:
    gateway = await start(resume_max_bytes=4 * KIB)
    answer = paced(CHAT, *(f"{number} " * 100 for number in range(40)))
    listener = await started(gateway, provider, answer)
    await listener.leave()
    answer.allow()
    await asyncio.wait_for(provider.requests[0].left.wait(), WAIT_SECONDS)
    assert (await only_row(gateway))["end"] == "caller_left"
    assert (await resume(gateway, listener.run_id, 2)).response.status_code == 404


async def test_leaving_a_run_that_is_not_kept_any_more(start: Any, provider: OddProvider) -> None:
    gateway = await start(resume_max_bytes=4 * KIB)
    answer = paced(CHAT, *("x" * 1000 for _ in range(40)))
    listener = await started(gateway, provider, answer)
    answer.allow(10)
    await listener.blocks(10)
    await listener.leave()
    await asyncio.wait_for(provider.requests[0].left.wait(), WAIT_SECONDS)
    assert (await only_row(gateway))["end"] == "caller_left"


async def test_a_run_that_is_too_long_goes_at_its_callers_pace(
    gateway: Any, simulator: Any, start_gateway: Any
) -> None:
    gateway = await start_gateway(resume_max_bytes=64 * KIB)
    reader, writer = await gateway.connect()
    body = (
        b'{"model":"openai/gpt-4o","stream":true,'
        b'"messages":[{"role":"user","content":"Say much. [[sim: events=800 event_bytes=30000]]"}]}'
    )
    writer.write(gateway.request("v1/chat/completions", body, "cf-aig-resumable: true\r\n"))
    request = await simulator.seen(1)
    assert b"cf-aig-run-id" in await reader.readuntil(b"\r\n\r\n")
    sent = -1
    while request.events_sent != sent:  # until nobody moves any more
        sent = request.events_sent
        for _ in range(2000):
            await asyncio.sleep(0)
    assert sent < 500
    size = 0
    while chunk := await reader.read(1 << 20):
        size += len(chunk)
        if b"[DONE]" in chunk:
            break
    assert size > 800 * 30_000
    writer.close()
    assert (await gateway.row())["success"] is True


async def test_more_runs_than_there_may_be(start: Any, provider: OddProvider) -> None:
    gateway = await start(resume_max_runs=2)
    answer = paced(CHAT, *TEXTS)
    listeners = [await started(gateway, provider, answer) for _ in range(3)]
    assert ["cf-aig-run-id" in each.response.headers for each in listeners] == [True, True, False]
    answer.allow()
    assert len({await each.rest() for each in listeners}) == 1
    assert {row["end"] for row in await rows(gateway, 3)} == {"completed"}


async def test_a_disk_that_takes_nothing(
    start: Any, provider: OddProvider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await start()
    (tmp_path / "data0" / "runs").write_text("in the way")
    answer = paced(CHAT, *TEXTS)
    answer.allow()
    provider.answer = answer.answer
    for _ in range(2):
        listener = await begin(gateway, CHAT, AT[CHAT])
        assert "cf-aig-run-id" not in listener.response.headers
        assert (await listener.rest()).endswith(b"data: [DONE]\n\n")
    (warning,) = [record for record in caplog.records if record.name == "isthmus"]
    assert "cannot be resumed" in warning.getMessage()


@pytest.mark.parametrize("caller", CALLERS)
async def test_the_gateway_stops_while_the_caller_is_away(
    start: Any, provider: OddProvider, tmp_path: Path, caller: str
) -> None:
    gateway = await start(drain_seconds=0.1)
    answer = paced(caller, *TEXTS)
    listener = await started(gateway, provider, answer, caller)
    await listener.leave()
    await gateway.running.aclose()
    again = await start(data_directory=str(tmp_path / "data0"))
    back = await (await resume(again, listener.run_id, 2)).rest()
    assert "stopped" in in_band(caller, (listener.received + back).decode())
    row = await only_row(again)
    assert (row["end"], row["status_code"]) == ("failed", 200)


async def test_the_drain_is_for_those_who_are_away_too(start: Any, provider: OddProvider, tmp_path: Path) -> None:
    gateway = await start(drain_seconds=10.0)
    answer = paced(CHAT, *TEXTS)
    listener = await started(gateway, provider, answer)
    await listener.leave()
    stopping = asyncio.ensure_future(gateway.running.aclose())
    await asyncio.sleep(0)
    answer.allow()
    await asyncio.wait_for(stopping, WAIT_SECONDS)
    again = await start(data_directory=str(tmp_path / "data0"))
    back = await (await resume(again, listener.run_id, 2)).rest()
    assert complete(CHAT, back.decode())
    assert (await only_row(again))["end"] == "completed"


async def test_the_gateway_stops_while_the_caller_reads(start: Any, provider: OddProvider, tmp_path: Path) -> None:
    gateway = await start(drain_seconds=0.1)
    listener = await started(gateway, provider, paced(CHAT, *TEXTS))
    await gateway.running.aclose()
    again = await start(data_directory=str(tmp_path / "data0"))
    row = await only_row(again)
    assert (row["end"], row["status_code"]) == ("failed", 200)
    back = await (await resume(again, listener.run_id, 2)).rest()
    assert "stopped" in in_band(CHAT, (listener.received + back).decode())
