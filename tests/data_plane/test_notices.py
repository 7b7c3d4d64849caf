"""What was not taken as it stood is told: in `cf-aig-notice` of every answer, and in the row."""

from __future__ import annotations

from typing import Any

import httpx

from conftest import CHAT, Gateway
from data_plane.gateway_host.socket_client import chat, create, opened
from data_plane.gateway_host.stepwise import COMPAT, OPENAI, universal
from isthmus.simulator import Fault, Simulator

NOTICE = "cf-aig-notice"
LONG = {"cf-aig-retry-delay": "70000"}
CUT = 'clamped;field="cf-aig-retry-delay";why="cut to 60000 milliseconds"'
TEAM = {
    "id": "team-a",
    "cache_invalidate_on_update": False,
    "cache_ttl": 300,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}


async def noted(gateway: Gateway, gateway_id: str = "default") -> list[tuple[str, str]]:
    """Of the newest row."""
    return [(note["fate"], note["field"]) for note in (await gateway.rows(gateway_id))[0].get("notes") or []]


async def test_in_the_head_and_in_the_row(gateway: Gateway) -> None:
    answer = await gateway.post("v1/chat/completions", CHAT)
    assert answer.status_code == 200 and NOTICE not in answer.headers and await noted(gateway) == []
    odd = {**LONG, "cf-aig-cache-tll": "s3cret", "cf-aig-zdr": "true", "cf-aig-cache-key": "k" * 30_000}
    answer = await gateway.post("v1/chat/completions", CHAT, headers=odd)
    assert answer.status_code == 200
    assert answer.headers[NOTICE] == (
        f"{CUT}, "
        'ignored;field="cf-aig-cache-key";why="it is longer than 1024 characters", '
        'ignored;field="cf-aig-cache-tll";why="there is no such header", '
        'ignored;field="cf-aig-zdr";why="it has no effect yet"'
    )
    assert await noted(gateway) == [
        ("clamped", "cf-aig-retry-delay"),
        ("ignored", "cf-aig-cache-key"),
        ("ignored", "cf-aig-cache-tll"),
        ("ignored", "cf-aig-zdr"),
    ]
    assert "s3cret" not in str(await gateway.rows())


async def test_beside_the_receipt_of_a_translation_and_of_a_stream(gateway: Gateway) -> None:
    body = {**CHAT, "model": "anthropic/claude-haiku-4.5", "logit_bias": {"5": 1}, "stream": True}
    answer = await gateway.post("v1/chat/completions", body, headers=LONG)
    assert answer.status_code == 200 and answer.headers[NOTICE] == CUT
    assert answer.headers["cf-aig-fidelity"].startswith("lost;")
    assert (await noted(gateway))[0] == ("clamped", "cf-aig-retry-delay") and len(await noted(gateway)) > 1


async def test_a_lifetime_where_nothing_is_kept(gateway: Gateway) -> None:
    answer = await gateway.post("v1/chat/completions", CHAT, headers={"cf-aig-cache-ttl": "90"})
    assert answer.headers[NOTICE] == 'ignored;field="cache-ttl";why="this gateway\'s cache is off"'
    assert await noted(gateway) == [("ignored", "cache-ttl")]
    for idle in ({"cf-aig-cache-ttl": "0"}, {"cf-aig-cache-ttl": "90", "cf-aig-cache-key": "x"}):
        assert NOTICE not in (await gateway.post("v1/chat/completions", CHAT, headers=idle)).headers


async def test_errors_tell_it_too(gateway: Gateway, simulator: Simulator) -> None:
    cases: list[tuple[str, Any, int]] = [
        ("v1/chat/completions", b"{", 400),
        ("v1/chat/completions", {**CHAT, "model": "nobody/knows"}, 404),
        ("v1/messages", {**CHAT, "max_tokens": 5}, 503),
        ("run", {"model": "openai/gpt-4o", "input": 7}, 400),
        ("no/such/path", {}, 404),
    ]
    for path, body, status in cases:
        simulator.next(Fault(status=503))
        answer = await gateway.post(path, body, headers=LONG)
        assert (answer.status_code, answer.headers[NOTICE]) == (status, CUT), answer.text
    assert len(await gateway.rows()) == 4 and await noted(gateway) == [("clamped", "cf-aig-retry-delay")]
    stranger = await gateway.post("run", {}, headers={**LONG, "authorization": "Bearer nobody"})
    assert (stranger.status_code, stranger.headers[NOTICE]) == (401, CUT)


async def test_the_options_of_run(gateway: Gateway, simulator: Simulator) -> None:
    assert (await gateway.manage("POST", "gateways", TEAM)).status_code == 200

    async def run(options: Any, headers: dict[str, str] | None = None, path: str = "run") -> httpx.Response:
        content = {"messages": CHAT["messages"]}
        body = {"model": "openai/gpt-4o", "input": content} if path == "run" else content
        return await gateway.post(path, {**body, "options": options}, headers=headers)

    said = {"id": "team-a", "cacheTtl": 5, "eventId": "event-1", "metadata": {"team": "red", "deep": {}}, "retries": 3}
    answer = await run({"gateway": said, "rejectIfBusy": True})
    assert answer.status_code == 200 and answer.headers["cf-aig-event-id"] == "event-1"
    row = (await gateway.rows("team-a"))[0]
    assert (row["id"], row["event_id"]) == (answer.headers["cf-aig-log-id"], "event-1")
    assert row["metadata"] in ({"team": "red"}, '{"team":"red"}')
    assert sorted(await noted(gateway, "team-a")) == [
        ("clamped", "options.gateway.cacheTtl"),
        ("ignored", "options.gateway.metadata"),
        ("ignored", "options.gateway.retries"),
        ("ignored", "options.rejectIfBusy"),
    ]
    assert 'clamped;field="options.gateway.cacheTtl";why="raised to 60 seconds"' in answer.headers[NOTICE]
    assert b"options" not in simulator.requests[-1].body and b"team-a" not in simulator.requests[-1].body

    answer = await run({"gateway": {**said, "id": "nope"}}, {"cf-aig-gateway-id": "team-a", "cf-aig-event-id": "mine"})
    assert answer.status_code == 200 and answer.headers["cf-aig-event-id"] == "mine"
    assert ("ignored", "options.gateway.id") in await noted(gateway, "team-a")
    answer = await run({"gateway": {"id": "nope"}})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 2001)
    assert "cf-aig-log-id" not in answer.headers
    answer = await run({"gateway": {"collectLog": False}})
    assert answer.status_code == 200 and "cf-aig-log-id" not in answer.headers
    assert len(await gateway.rows("team-a")) == 2 and await gateway.rows() == []

    answer = await run({"gateway": {"id": "nope", "cacheTtl": 5}}, path="run/openai/gpt-4o")
    assert answer.status_code == 200 and NOTICE not in answer.headers  # the model's own input
    assert len(await gateway.rows()) == 1


async def test_on_a_providers_own_path(gateway: Gateway) -> None:
    path = f"/v1/{gateway.running.account_id}/default/openai/chat/completions"
    shown = {"cf-aig-authorization": gateway.headers["authorization"], **LONG}
    answer = await gateway.client.post(path, json={**CHAT, "model": "gpt-4o"}, headers=shown)
    assert answer.status_code == 200 and answer.headers[NOTICE] == CUT
    assert await noted(gateway) == [("clamped", "cf-aig-retry-delay")]


async def test_15_of_the_step_that_answered(gateway: Gateway, simulator: Simulator) -> None:
    shown = {"cf-aig-authorization": gateway.headers["authorization"], "cf-aig-max-attempts": "7"}
    first = {**OPENAI, "config": {"maxAttempts": 1, "cacheTtl": 5}}
    simulator.next(Fault(status=503))
    second = {**COMPAT, "config": {"backoff": [], "maxAttempts": 1}, "headers": {"cf-aig-skip-cache": "perhaps"}}
    answer = await universal(gateway, [first, second], shown)
    assert (answer.status_code, answer.headers["cf-aig-step"]) == (200, "1")
    assert "cacheTtl" not in answer.headers[NOTICE]
    assert sorted(await noted(gateway)) == [
        ("clamped", "cf-aig-max-attempts"),
        ("ignored", "cf-aig-skip-cache"),
        ("ignored", "config.backoff"),
    ]
    answer = await universal(gateway, [first], shown)
    assert answer.headers[NOTICE].startswith('clamped;field="config.cacheTtl"')
    vain = {**OPENAI, "config": {"cacheKey": "mine", **{f"o{number}": 1 for number in range(100)}}}
    told = (await universal(gateway, [vain], {"cf-aig-authorization": gateway.headers["authorization"]})).headers[
        NOTICE
    ]
    assert told.startswith('ignored;field="config.cacheKey";why="there is no such option"') and told.count("why") == 20
    refused = await universal(gateway, b"[]", {**shown, "cf-aig-max-attempts": "7"})
    assert refused.status_code == 400 and refused.headers[NOTICE].startswith('clamped;field="cf-aig-max-attempts"')
    async with opened(gateway) as socket:
        message = await socket.answer(create("e", {**chat("echo: yes"), "config": {"cacheTtl": "soon"}}))
    assert message["metadata"]["notice"].startswith('ignored;field="config.cacheTtl"')
