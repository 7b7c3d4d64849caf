"""The gateway host's WebSocket (data-plane 12.1; acceptance checks 64 to 66): a real client at a running gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from conftest import Gateway
from data_plane.gateway_host.socket_client import chat, create, opened, refused, url
from isthmus.app import start
from isthmus.settings import Settings
from isthmus.simulator import Fault, Simulator

OPEN = {
    "id": "open",
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
    "authentication": False,
}
MESSAGES: dict[str, Any] = {
    "provider": "anthropic",
    "endpoint": "v1/messages",
    "headers": {"anthropic-version": "2023-06-01"},
    "query": {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "echo: yes"}]},
}


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_whole_answer(gateway: Gateway, simulator: Simulator, slash: str) -> None:
    async with opened(gateway, address=url(gateway, slash=slash)) as socket:
        answer = await socket.answer(create("one", chat("echo: yes")))
    assert answer["type"] == "universal.created"
    assert answer["response"]["choices"][0]["message"]["content"] == "yes"
    row = await gateway.row()
    assert answer["metadata"] == {
        "cacheStatus": "MISS",
        "eventId": "one",
        "logId": row["id"],
        "step": "0",
        "contentType": "application/json",
        "status": 200,
    }
    assert (row["event_id"], row["request_type"], row["end"]) == ("one", "universal", "completed")
    assert (row["provider"], row["model"], row["authentication"]) == ("openai", "openai/gpt-4o", True)
    assert row["tokens_out"] > 0


async def test_a_stream(gateway: Gateway) -> None:
    async with opened(gateway) as socket:
        await socket.ask(create("s", chat("echo: one two", stream=True)))
        begun, *pieces, done = (await socket.answers(1))["s"]
        assert begun["type"] == "universal.created" and "response" not in begun
        assert done == {"type": "universal.done", "metadata": begun["metadata"]}
        assert begun["metadata"]["contentType"].startswith("text/event-stream")
        assert {piece["type"] for piece in pieces} == {"universal.stream"}
        assert all(piece["metadata"] == {"eventId": "s"} for piece in pieces)
        deltas = [piece["response"]["choices"][0]["delta"].get("content", "") for piece in pieces]
        assert "".join(deltas) == "one two"
        row = await gateway.row()
        assert (row["streamed"], row["end"], row["id"]) == (True, "completed", done["metadata"]["logId"])


async def test_events_of_another_dialect(gateway: Gateway) -> None:
    async with opened(gateway) as socket:
        await socket.ask(create("s", {**MESSAGES, "query": {**MESSAGES["query"], "stream": True}}))
        _, *pieces, _ = (await socket.answers(1))["s"]
    kinds = [piece["response"]["type"] for piece in pieces]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop" and "content_block_delta" in kinds


async def test_requests_run_side_by_side(gateway: Gateway, simulator: Simulator) -> None:
    async with opened(gateway) as socket:
        await socket.ask(create("slow", chat("[[sim: slow_first_byte=60000]]")))
        await simulator.seen(1)
        for name in ("a", "b", "c"):
            await socket.ask(create(name, chat(f"echo: {name}", stream=name != "b")))
        found = await socket.answers(3)
        assert set(found) == {"a", "b", "c"}
        assert found["b"][0]["response"]["choices"][0]["message"]["content"] == "b"
        for name in ("a", "c"):
            pieces = [message["response"]["choices"][0] for message in found[name][1:-1]]
            assert "".join(piece["delta"].get("content", "") for piece in pieces) == name


async def test_streams_that_interleave(gateway: Gateway, simulator: Simulator) -> None:
    """Two streams, each of which stops in its middle: both have begun before either can end."""
    async with opened(gateway) as socket:
        for name in ("a", "b"):
            await socket.ask(create(name, chat(f"{name} [[sim: events=12 stall_after=3]]", stream=True)))
        seen: set[tuple[str, str]] = set()
        while len(seen) < 4:
            message = await socket.next()
            seen.add((message["metadata"]["eventId"], message["type"]))
        assert seen == {(name, f"universal.{kind}") for name in ("a", "b") for kind in ("created", "stream")}


async def test_an_event_id_again_once_it_is_free(gateway: Gateway) -> None:
    async with opened(gateway) as socket:
        for stream in (True, False) * 5:
            await socket.ask(create("same", chat("echo: yes", stream=stream)))
            messages = (await socket.answers(1))["same"]
            assert messages[0]["metadata"]["status"] == 200
    assert len(await gateway.rows()) == 10


async def test_a_request_without_an_event_id(gateway: Gateway) -> None:
    async with opened(gateway) as socket:
        answer = await socket.answer({"type": "universal.create", "request": chat("echo: yes")})
    assert answer["metadata"]["eventId"] == answer["metadata"]["logId"] == (await gateway.row())["event_id"]


async def test_an_event_id_that_no_header_could_hold(gateway: Gateway) -> None:
    async with opened(gateway) as socket:
        answer = await socket.answer(create("é\n\U0001f600", chat("echo: yes")))
    assert answer["metadata"]["eventId"] == "é\n\U0001f600"


async def test_compat_and_platform_steps(gateway: Gateway) -> None:
    step = {"provider": "compat", "endpoint": "chat/completions", "query": chat("echo: yes")["query"]}
    step["query"]["model"] = "anthropic/claude-haiku-4.5"
    async with opened(gateway) as socket:
        answer = await socket.answer(create("c", {**step, "query": {**step["query"], "seed": 1}}))
    assert answer["response"]["choices"][0]["message"]["content"] == "yes"
    assert 'lost;field="seed"' in answer["metadata"]["fidelity"]


async def test_a_stream_that_can_be_come_back_to(gateway: Gateway) -> None:
    step = {**chat("echo: yes", stream=True), "headers": {"cf-aig-resumable": "true"}}
    async with opened(gateway) as socket:
        await socket.ask(create("r", step))
        *_, done = (await socket.answers(1))["r"]
    path = f"{gateway.account}/ai-gateway/gateways/default/run/{done['metadata']['runId']}/resume?from=0"
    again = await gateway.client.get(path, headers=gateway.headers)
    assert again.status_code == 200 and b"[DONE]" in again.content


async def test_a_providers_refusal_goes_on_as_it_came(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=429))
    async with opened(gateway) as socket:
        answer = await socket.answer(create("e", chat("echo: yes")))
        assert (answer["type"], answer["metadata"]["status"], answer["metadata"]["eventId"]) == (
            "universal.created",
            429,
            "e",
        )
        assert "type" in answer["response"]["error"]  # OpenAI's own words
        assert (await socket.answer(create("e", chat("echo: yes"))))["metadata"]["status"] == 200
    rows = await gateway.rows()
    assert [row["status_code"] for row in rows] == [200, 429]


async def test_a_provider_that_breaks_off(gateway: Gateway) -> None:
    async with opened(gateway) as socket:
        await socket.ask(create("s", chat("[[sim: events=9 cut_after=3]]", stream=True)))
        begun, *pieces, done = (await socket.answers(1))["s"]
        assert "error" in pieces[-1]["response"]
        assert done["metadata"] == begun["metadata"]
    assert (await gateway.row())["end"] == "interrupted"


@pytest.mark.parametrize("bare", [True, False])
async def test_the_token_with_and_without_a_word(gateway: Gateway, bare: bool) -> None:
    token = gateway.running.api_token or ""
    async with opened(gateway, {"cf-aig-authorization": token if bare else f"Bearer {token}"}) as socket:
        assert (await socket.answer(create("1", chat("echo: yes"))))["metadata"]["status"] == 200


@pytest.mark.parametrize("others", [[], ["chat.v1"]])
async def test_the_token_as_a_subprotocol(gateway: Gateway, others: list[str]) -> None:
    token = f"cf-aig-authorization.{gateway.running.api_token}"
    async with opened(gateway, {}, subprotocols=[token, *others]) as socket:
        # A browser gives up where it offered some and none was taken.
        assert socket.connection.subprotocol == (others[0] if others else token)
        assert (await socket.answer(create("1", chat("echo: yes"))))["metadata"]["status"] == 200
    assert (await gateway.row())["authentication"] is True


@pytest.mark.parametrize("headers", [{}, {"cf-aig-authorization": "Bearer nobody"}], ids=["none", "wrong"])
async def test_no_token_no_socket(gateway: Gateway, simulator: Simulator, headers: dict[str, str]) -> None:
    assert (await gateway.post("v1/chat/completions", chat("hi")["query"] | {"model": "openai/gpt-4o"})).is_success
    status, body = await refused(gateway, headers)
    assert (status, body["error"], body["internalCode"]) == (401, [{"code": 2009, "message": "Unauthorized"}], 2009)
    status, _ = await refused(gateway, {}, subprotocols=["cf-aig-authorization.nobody"])
    assert status == 401
    assert len(await gateway.rows()) == 1  # a handshake has no row


@pytest.mark.parametrize("with_token", [True, False])
async def test_a_gateway_without_authentication(gateway: Gateway, with_token: bool) -> None:
    assert (await gateway.manage("POST", "gateways", OPEN)).status_code == 200
    headers = {"cf-aig-authorization": gateway.headers["authorization"]} if with_token else {}
    status, body = await refused(gateway, headers, address=url(gateway, "open"))
    assert (status, body["internalCode"], body["success"]) == (401, 2009, False)


async def test_a_gateway_that_there_is_not(gateway: Gateway) -> None:
    headers = {"cf-aig-authorization": gateway.headers["authorization"]}
    status, body = await refused(gateway, headers, address=url(gateway, "nope"))
    assert (status, body["internalCode"]) == (400, 2001)


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "sec-websocket-key: short\r\nsec-websocket-version: 13\r\n",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ],
    ids=["no key", "bad key", "no version"],
)
async def test_a_handshake_that_is_none(gateway: Gateway, lines: str) -> None:
    reader, writer = await gateway.connect()
    token = gateway.headers["authorization"]
    writer.write(
        f"GET /v1/{gateway.running.account_id}/default HTTP/1.1\r\nhost: x\r\ncf-aig-authorization: {token}\r\n"
        f"connection: upgrade\r\nupgrade: websocket\r\n{lines}\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and b"application/json" in head
    writer.close()


async def test_an_upgrade_anywhere_else_is_a_plain_request(gateway: Gateway) -> None:
    answer = await gateway.client.get(
        "/health/live", headers={"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    )
    assert answer.status_code == 200


async def test_a_get_that_asks_for_no_socket(gateway: Gateway) -> None:
    answer = await gateway.client.get(f"/v1/{gateway.running.account_id}/default")
    assert (answer.status_code, answer.json()["internalCode"]) == (405, 7001)


async def test_what_the_account_changes_counts_for_the_next_message(gateway: Gateway) -> None:
    async with opened(gateway) as socket:
        assert (await socket.answer(create("1", chat("echo: yes"))))["metadata"]["status"] == 200
        change = {**OPEN, "id": "default", "collect_logs": False, "authentication": True}
        assert (await gateway.manage("PUT", "gateways/default", change)).status_code == 200
        told: dict[str, Any] = (await socket.answer(create("2", chat("echo: yes"))))["metadata"]
        assert "logId" not in told


async def test_many_at_the_same_time(gateway: Gateway) -> None:
    async with opened(gateway) as socket:
        names = [f"r{number}" for number in range(60)]
        await asyncio.gather(
            *(
                socket.ask(create(name, chat(f"echo: {name}", stream=number % 2 == 0)))
                for number, name in enumerate(names)
            )
        )
        found = await socket.answers(60)
    assert set(found) == set(names)
    assert {row["event_id"] for row in await gateway.rows()} <= set(names)
    assert all(problem_free(messages) for messages in found.values())


def problem_free(messages: list[dict[str, Any]]) -> bool:
    return all(message["metadata"].get("status", 200) == 200 for message in messages)


def test_the_loop_that_serves(tmp_path: Path) -> None:
    """uvloop's connections are not asyncio's by type."""

    async def run() -> None:
        async with Simulator(seed=1) as simulator:
            config = tmp_path / "isthmus.toml"
            config.write_text(
                f'[providers.openai]\nbase_url = "{simulator.openai_url}"\nallow_private_address = true\n'
            )
            settings = Settings(port=0, data_directory=str(tmp_path / "data"), config_file=str(config))
            running = await start(settings, {"OPENAI_API_KEY": "sk-openai-test"})
            async with httpx.AsyncClient(base_url=running.base_url) as client:
                async with opened(Gateway(running, client)) as socket:
                    await socket.ask(create("a", chat("echo: yes")))
                    await socket.ask(create("b", chat("echo: yes", stream=True)))
                    found = await socket.answers(2)
                    assert found["a"][0]["metadata"]["status"] == 200 and found["b"][-1]["type"] == "universal.done"
            await running.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
