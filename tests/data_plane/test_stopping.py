"""Stopping the gateway, and the most that it takes on: who is still waiting is told so, in their dialect."""

from __future__ import annotations

import asyncio
from typing import Any

PATHS = ["v1/chat/completions", "v1/messages"]


def body(directive: str, stream: bool) -> dict[str, Any]:
    text = f"Say something. [[sim: {directive}]]"
    return {
        "model": "openai/gpt-4o",
        "max_tokens": 50,
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
    }


async def test_calls_in_flight_end_within_the_drain(start_gateway: Any, simulator: Any) -> None:
    gateway = await start_gateway(drain_seconds=5.0)
    calling = [asyncio.create_task(gateway.post(path, body("slow_first_byte=200", False))) for path in PATHS]
    await simulator.seen(2)
    await gateway.running.aclose()
    assert [(await call).status_code for call in calling] == [200, 200]


async def test_a_call_that_outlives_the_drain_is_told(start_gateway: Any, simulator: Any) -> None:
    gateway = await start_gateway(drain_seconds=0.1)
    calling = [asyncio.create_task(gateway.post(path, body("slow_first_byte=60000", False))) for path in PATHS]
    await simulator.seen(2)
    await gateway.running.aclose()
    for call in calling:
        answer = await call
        assert answer.status_code == 503
        assert answer.json()["errors"][0]["code"] == 7000
        assert "stopped" in answer.json()["error"]["message"]


async def test_a_stream_that_outlives_the_drain_breaks_off(start_gateway: Any, simulator: Any) -> None:
    gateway = await start_gateway(drain_seconds=0.1)
    reader, writer = await gateway.connect()
    writer.write(
        gateway.request(
            PATHS[0],
            b'{"model":"openai/gpt-4o","stream":true,"messages":[{"role":"user",'
            b'"content":"Go on. [[sim: events=9 stall_after=3]]"}]}',
        )
    )
    await reader.readuntil(b"data: ")
    await gateway.running.aclose()
    try:
        rest = await reader.read()
    except ConnectionResetError:
        rest = b""
    assert not rest.endswith(b"0\r\n\r\n")  # nobody takes it for whole
    writer.close()


async def test_more_calls_than_there_may_be_are_429_3040(start_gateway: Any, simulator: Any) -> None:
    gateway = await start_gateway(max_concurrent_calls=1)
    first = asyncio.create_task(gateway.post(PATHS[0], body("slow_first_byte=60000", False)))
    await simulator.seen(1)
    for path in PATHS:
        answer = await gateway.post(path, body("events=3", False))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.json()["errors"][0]["code"] == 3040
    first.cancel()
