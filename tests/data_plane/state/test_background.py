"""Answers that are made without their caller: asked for later, followed, picked up again, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from data_plane.state.conftest import ANTHROPIC, OPENAI, Begin, Stateful, events_of
from isthmus.core.state import StoredItem, StoredResponse
from isthmus.simulator.faults import Fault
from isthmus.storage.sql.states.responses import SqlResponses

RUNNING = ("queued", "in_progress")


async def begun(stateful: Stateful, **body: Any) -> dict[str, Any]:
    answer = await stateful.client.post("responses", json={"background": True, "input": "hello", **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert (found["status"], found["background"], found["store"]) == ("queued", True, True)
    return found


async def ended(stateful: Stateful, response_id: str) -> dict[str, Any]:
    """As a caller waits for it."""
    while (found := await stateful.get(f"responses/{response_id}"))["status"] in RUNNING:
        await asyncio.sleep(0)
    return found


async def rows(stateful: Stateful) -> list[dict[str, Any]]:
    path = f"/client/v4/accounts/{stateful.running.account_id}/ai-gateway/gateways/default/logs"
    found: list[dict[str, Any]] = (await stateful.client.get(stateful.running.base_url + path)).json()["result"]
    return found


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_it_is_asked_for_until_it_is_there(stateful: Stateful, model: str) -> None:
    stateful.simulator.next(Fault(stall_after=2))
    mine = await begun(stateful, model=model, input="echo: one fish", metadata={"a": "b"}, instructions="Be brief.")
    assert mine["metadata"] == {"a": "b"} and mine["instructions"] == "Be brief." and mine["output"] == []
    await stateful.simulator.seen(1)
    while (now := await stateful.get(f"responses/{mine['id']}"))["status"] == "queued":
        await asyncio.sleep(0)
    assert now["status"] == "in_progress" and now["id"] == mine["id"]
    assert now["background"] is True and not await rows(stateful)
    asked = {"model": model, "input": "and?", "previous_response_id": mine["id"]}
    answer = await stateful.client.post("responses", json=asked)
    assert answer.status_code == 400 and "only one that has been answered" in answer.text
    cancelled = (await stateful.client.post(f"responses/{mine['id']}/cancel")).json()
    assert cancelled["status"] == "cancelled" == (await stateful.get(f"responses/{mine['id']}"))["status"]
    assert (await stateful.client.post(f"responses/{mine['id']}/cancel")).json() == cancelled
    assert "sent" not in stateful.sent() and stateful.sent().get("background") is None


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_it_is_kept_and_gone_on_from_and_logged_once(stateful: Stateful, model: str) -> None:
    mine = await begun(stateful, model=model, input="echo: one fish")
    found = await ended(stateful, mine["id"])
    assert found["status"] == "completed" and found["background"] is True
    assert found["output"][-1]["content"][0]["text"] == "one fish"
    items = await stateful.get(f"responses/{mine['id']}/input_items")
    assert items["data"][0]["content"][0]["text"] == "echo: one fish"
    (row,) = await rows(stateful)
    assert row["success"] and row["tokens_out"] > 0 and row["request_type"] == "responses"
    await stateful.create(model=OPENAI, input="and?", previous_response_id=mine["id"])
    assert "one fish" in str(stateful.sent())
    assert (await stateful.client.post(f"responses/{mine['id']}/cancel")).json() == found
    plain = await stateful.create(model=OPENAI, input="hello")
    assert (await stateful.client.post(f"responses/{plain['id']}/cancel")).status_code == 400
    assert (await stateful.client.get(f"responses/{plain['id']}?stream=true")).status_code == 400


async def test_its_end_is_not_told_before_it_is_kept_and_logged(
    stateful: Stateful, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, let_go = asyncio.Event(), asyncio.Event()
    put = SqlResponses.put

    async def held(store: SqlResponses, response: StoredResponse, items: Sequence[StoredItem]) -> int:
        if response.status == "completed":
            reached.set()
            await let_go.wait()
        return await put(store, response, items)

    monkeypatch.setattr(SqlResponses, "put", held)
    mine = await begun(stateful, model=OPENAI, input="echo: one fish")
    await reached.wait()
    asked = asyncio.create_task(stateful.get(f"responses/{mine['id']}"))
    try:
        for _ in range(5):
            await rows(stateful)
        assert not asked.done() or asked.result()["status"] in RUNNING
    finally:
        let_go.set()
    await asked
    assert (await ended(stateful, mine["id"]))["status"] == "completed"
    assert len(await rows(stateful)) == 1
    await stateful.create(model=OPENAI, input="and?", previous_response_id=mine["id"])


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_a_stream_is_picked_up_after_every_event(stateful: Stateful, model: str) -> None:
    body = {"model": model, "input": "echo: one fish two fish", "background": True, "stream": True}
    answer = await stateful.client.post("responses", json=body)
    assert answer.status_code == 200, answer.text
    events = events_of(answer.content)
    response = events[-1]["response"]
    assert events[-1]["type"] == "response.completed" and response == await stateful.get(f"responses/{response['id']}")
    path = f"responses/{response['id']}?stream=true"
    assert events_of((await stateful.client.get(path)).content) == events
    for number, event in enumerate(events):
        assert event["sequence_number"] == number
        again = await stateful.client.get(f"{path}&starting_after={number}")
        assert events_of(again.content) == events[number + 1 :]
    assert (await stateful.client.get(f"{path}&starting_after=x")).status_code == 400
    assert (await stateful.other.get(path)).status_code == 404
    assert len(await rows(stateful)) == 1


async def test_cut_in_the_middle_it_goes_on_and_is_followed_live_to_its_end(stateful: Stateful) -> None:
    stateful.simulator.next(Fault(delay_ms=20, tokens=30))
    body = {"model": OPENAI, "input": "hello", "background": True, "stream": True}
    seen: list[dict[str, Any]] = []
    async with stateful.client.stream("POST", "responses", json=body) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                seen.append(msgspec.json.decode(line[6:]))
            if len(seen) == 6:
                break
    response_id = seen[0]["response"]["id"]
    path = f"responses/{response_id}?stream=true&starting_after={seen[-1]['sequence_number']}"
    followers = await asyncio.gather(*(stateful.client.get(path) for _ in range(3)))
    for follower in followers:
        events = seen + events_of(follower.content)
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[-1]["type"] == "response.completed"
    assert (await stateful.get(f"responses/{response_id}"))["status"] == "completed"
    (row,) = await rows(stateful)
    assert row["success"]


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_how_a_stream_broke_off_is_told_to_who_picks_it_up(stateful: Stateful, model: str) -> None:
    stateful.simulator.next(Fault(cut_after=6))
    body = {"model": model, "input": "hello", "background": True, "stream": True}
    events = events_of((await stateful.client.post("responses", json=body)).content)
    failed = await stateful.get(f"responses/{events[0]['response']['id']}")
    assert failed["status"] == "failed" and failed["error"]["message"]
    path = f"responses/{failed['id']}?stream=true"
    errors = [event for event in events if event["type"] in ("error", "response.failed")]
    assert errors
    for number in range(len(events) - len(errors)):
        again = events_of((await stateful.client.get(f"{path}&starting_after={number}")).content)
        assert again == events[number + 1 :]


async def test_who_follows_one_that_is_cancelled_is_told(stateful: Stateful) -> None:
    stateful.simulator.next(Fault(stall_after=4))
    mine = await begun(stateful, model=OPENAI)
    path = f"responses/{mine['id']}"
    while (await stateful.get(path))["status"] == "queued":
        await asyncio.sleep(0)
    async with stateful.client.stream("GET", f"{path}?stream=true") as answer:
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("event: response.created")
        await stateful.client.post(f"{path}/cancel")
        rest = "\n".join([line async for line in lines])
    assert "The response was cancelled." in rest


async def test_to_cancel_or_to_delete_stops_the_provider(stateful: Stateful) -> None:
    for stop in ("cancel", "delete"):
        stateful.simulator.clear()
        stateful.simulator.next(Fault(stall_after=3))
        mine = await begun(stateful, model=OPENAI)
        request = await stateful.simulator.seen(1)
        path = f"responses/{mine['id']}"
        while (await stateful.get(path))["status"] == "queued":
            await asyncio.sleep(0)
        if stop == "cancel":
            assert (await stateful.client.post(f"{path}/cancel")).json()["status"] == "cancelled"
        else:
            assert (await stateful.client.delete(path)).json()["deleted"] is True
            assert (await stateful.client.get(path)).status_code == 404
        while not request.closed_early:
            await asyncio.sleep(0)
        assert len(await rows(stateful)) == (1 if stop == "cancel" else 2)
    assert {row["success"] for row in await rows(stateful)} == {False}


@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(kind="reset"), Fault(cut_after=3), Fault(error_event_after=3)]
)
async def test_what_fails_is_failed_with_its_reason(stateful: Stateful, fault: Fault) -> None:
    stateful.simulator.next(fault, fault)
    mine = await begun(stateful, model=OPENAI)
    found = await ended(stateful, mine["id"])
    assert found["status"] == "failed" and found["error"]["message"] and found["id"] == mine["id"]
    answer = await stateful.client.post(
        "responses", json={"model": OPENAI, "input": "hello", "background": True, "stream": True}
    )
    events = events_of(answer.content)
    assert "failed" in str(events[-1]) or events[-1]["type"] == "error"
    assert [row["success"] for row in await rows(stateful)] == [False, False]


async def test_a_request_that_a_model_cannot_take_fails_in_the_background(stateful: Stateful) -> None:
    mine = await begun(stateful, model="anthropic/no-such-model")
    found = await ended(stateful, mine["id"])
    assert found["status"] == "failed" and "no-such-model" in found["error"]["message"]
    assert await rows(stateful)


async def test_many_at_once_end_all(stateful: Stateful) -> None:
    many = await asyncio.gather(*(begun(stateful, model=OPENAI, input=f"echo: {number}") for number in range(20)))
    found = await asyncio.gather(*(ended(stateful, mine["id"]) for mine in many))
    assert [one["output"][-1]["content"][0]["text"] for one in found] == [str(number) for number in range(20)]
    assert len(await rows(stateful)) == 20


async def test_there_are_no_more_than_there_may_be(begin: Begin) -> None:
    stateful = await begin(resume_max_runs=1)
    stateful.simulator.next(Fault(stall_after=2))
    mine = await begun(stateful, model=OPENAI)
    answer = await stateful.client.post("responses", json={"model": OPENAI, "input": "x", "background": True})
    assert answer.status_code == 429 and "retry-after" in answer.headers
    await stateful.client.post(f"responses/{mine['id']}/cancel")


async def test_after_a_restart_what_was_running_has_failed(begin: Begin) -> None:
    stateful = await begin(drain_seconds=0.1)
    stateful.simulator.next(Fault(stall_after=3))
    mine = await begun(stateful, model=OPENAI)
    await stateful.simulator.seen(1)
    with contextlib.suppress(httpx.HTTPError):
        again = await begin()
    found = await again.get(f"responses/{mine['id']}")
    assert found["status"] == "failed" and "stopped" in found["error"]["message"]
    assert (await again.get(f"responses/{mine['id']}/input_items"))["data"]


async def test_after_a_crash_what_was_running_has_failed(begin: Begin, tmp_path: Path) -> None:
    stateful = await begin()
    mine = await begun(stateful, model=OPENAI)
    done = await ended(stateful, mine["id"])
    with sqlite3.connect(tmp_path / "data" / "isthmus.db") as connection:  # as it stood before its end
        connection.execute("UPDATE state_responses SET status = 'queued'")
    connection.close()
    again = await begin()
    found = await again.get(f"responses/{mine['id']}")
    assert found == {**done, "status": "failed", "error": found["error"]} and "stopped" in found["error"]["message"]
    assert (await again.get(f"responses/{mine['id']}/input_items"))["data"]


async def test_in_a_conversation_it_is_added_when_it_has_ended(stateful: Stateful) -> None:
    conversation = (await stateful.client.post("conversations", json={})).json()
    mine = await begun(stateful, model=OPENAI, input="echo: one fish", conversation=conversation["id"])
    await ended(stateful, mine["id"])
    items = await stateful.get(f"conversations/{conversation['id']}/items?order=asc")
    assert items["data"][0]["type"] == "message" and "one fish" in str(items["data"][-1])
