"""Callers who leave: the provider's request is cancelled at once, and the row says how far it came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

PATHS = ["v1/chat/completions", "v1/responses", "v1/messages"]
MODELS = ["openai/gpt-4o", "anthropic/claude-haiku-4.5"]
NOTICED_SECONDS = 0.1


def body(path: str, model: str, directive: str, stream: bool = True) -> bytes:
    text = f"Say something long. [[sim: {directive}]]"
    value: dict[str, Any] = {"model": model, "stream": stream}
    if path == "v1/responses":
        value |= {"input": text}
    else:
        value |= {"messages": [{"role": "user", "content": text}], "max_tokens": 200}
    return msgspec.json.encode(value)


async def left(simulator: Any, since: float) -> float:
    """Seconds until the provider saw that nobody listens."""
    request = simulator.requests[-1]
    await asyncio.wait_for(request.closed_early.wait(), 5)
    return request.left_at - since


async def settled(gateway: Any, count: int) -> list[dict[str, Any]]:
    """The rows of calls whose callers have gone: they are written as soon as the gateway has seen it."""
    async with asyncio.timeout(5):
        while len(rows := await gateway.rows_or_none()) < count:
            await asyncio.sleep(0)
    return rows


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", PATHS)
async def test_leaving_at_every_event_of_a_stream(gateway: Any, simulator: Any, path: str, model: str) -> None:
    for events in range(1, 7):
        reader, writer = await gateway.connect()
        writer.write(gateway.request(path, body(path, model, f"events=12 stall_after={events}")))
        request = await simulator.seen(events)
        head = await reader.readuntil(b"\r\n\r\n")
        await until(lambda request=request, events=events: request.events_sent >= events)
        assert b" 200 " in head.split(b"\r\n")[0]
        writer.close()
        assert await left(simulator, time.monotonic()) < NOTICED_SECONDS
        await writer.wait_closed()
    rows = await settled(gateway, 6)
    assert {(row["status_code"], row["success"], row["end"]) for row in rows} == {(499, False, "caller_left")}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", MODELS)
async def test_leaving_before_the_first_byte(gateway: Any, simulator: Any, model: str, stream: bool) -> None:
    path = "v1/chat/completions"
    _, writer = await gateway.connect()
    writer.write(gateway.request(path, body(path, model, "slow_first_byte=60000", stream)))
    await simulator.seen(1)
    writer.close()
    assert await left(simulator, time.monotonic()) < NOTICED_SECONDS
    (row,) = await settled(gateway, 1)
    assert (row["status_code"], row["success"], row["end"]) == (499, False, "caller_left")


async def test_leaving_in_the_middle_keeps_what_is_known(gateway: Any, simulator: Any) -> None:
    reader, writer = await gateway.connect()
    path = "v1/messages"
    writer.write(gateway.request(path, body(path, "anthropic/claude-haiku-4.5", "events=12 stall_after=5")))
    request = await simulator.seen(1)
    await reader.readuntil(b"content_block_delta")
    writer.close()
    await asyncio.wait_for(request.closed_early.wait(), 5)
    (row,) = await settled(gateway, 1)
    assert row["tokens_in"] > 0  # Anthropic tells it in its first event
    kept = (await gateway.manage("GET", f"gateways/default/logs/{row['id']}/response")).json()
    assert kept.startswith("event: message_start")


async def test_a_slow_reader_makes_nothing_grow(gateway: Any, simulator: Any) -> None:
    reader, writer = await gateway.connect()
    text = "Say much. [[sim: events=800 event_bytes=30000]]"
    sent_body = {"model": "openai/gpt-4o", "stream": True, "messages": [{"role": "user", "content": text}]}
    writer.write(gateway.request("v1/chat/completions", msgspec.json.encode(sent_body)))
    request = await simulator.seen(1)
    await reader.readuntil(b"\r\n\r\n")
    sent = -1
    while request.events_sent != sent:  # until nobody moves any more
        sent = request.events_sent
        for _ in range(2000):
            await asyncio.sleep(0)
    # Sockets' own buffers take a few megabytes of the 24; we hold none of it.
    assert sent < 500
    size = 0
    while chunk := await reader.read(1 << 20):
        size += len(chunk)
        if b"[DONE]" in chunk:
            break
    assert size > 800 * 30_000
    writer.close()
    row = (await gateway.rows())[0]
    assert row["success"] is True and row["tokens_out"] > 0
