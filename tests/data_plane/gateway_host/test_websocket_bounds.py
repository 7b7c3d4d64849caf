"""What a WebSocket may ask too much of, and how it ends: bounds, bad input, callers who leave, the server's end."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from conftest import Gateway, StartGateway
from data_plane.gateway_host.socket_client import Socket, chat, create, opened, problem, refused
from isthmus.data_plane.gateway_host.websocket.frames import FRAGMENTS_MAX
from isthmus.simulator import Fault, Simulator

NEVER = "[[sim: slow_first_byte=60000]]"
KEY = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"


async def settled(gateway: Gateway, count: int) -> list[dict[str, Any]]:
    """Rows of calls whose callers have gone: they are kept as soon as the gateway has seen it."""
    async with asyncio.timeout(10):
        while True:
            rows = await gateway.rows_or_none()
            if len(rows) >= count:
                return rows
            await asyncio.sleep(0)


async def works(socket: Socket) -> None:
    answer = await socket.answer(create("after", chat("echo: yes")))
    assert answer["response"]["choices"][0]["message"]["content"] == "yes"


@asynccontextmanager
async def raw(gateway: Gateway, receives: int = 0) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A socket that is opened by hand, to say what no client would. `receives`: its system's buffer, in bytes."""
    host, port = gateway.running.base_url.removeprefix("http://").split(":")
    own = sockets.socket()
    own.setblocking(False)
    if receives:
        own.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, receives)
    await asyncio.get_running_loop().sock_connect(own, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=own, limit=receives or 2**16)
    writer.write(
        f"GET /v1/{gateway.running.account_id}/default HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n"
        f"upgrade: websocket\r\n{KEY}cf-aig-authorization: {gateway.headers['authorization']}\r\n\r\n".encode()
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    try:
        yield reader, writer
    finally:
        writer.close()


def frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


async def close_code(reader: asyncio.StreamReader) -> int:
    """Of the first frame that comes: a short close."""
    async with asyncio.timeout(10):
        first, length = await reader.readexactly(2)
        assert first == 0x88, first
        return int.from_bytes((await reader.readexactly(length))[:2], "big")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_caller_who_leaves_leaves_all_its_calls(gateway: Gateway, simulator: Simulator, stream: bool) -> None:
    async with opened(gateway) as socket:
        for name in ("a", "b", "c"):
            await socket.ask(create(name, chat(NEVER if not stream else "[[sim: stall_after=2]]", stream=stream)))
        await simulator.seen(3)
        if stream:
            begun = 0
            while begun < 3:
                begun += (await socket.next())["type"] == "universal.created"
    for request in simulator.requests:
        await asyncio.wait_for(request.closed_early.wait(), 5)
    rows = await settled(gateway, 3)
    assert {(row["status_code"], row["end"], row["success"]) for row in rows} == {(499, "caller_left", False)}
    assert {row["event_id"] for row in rows} == {"a", "b", "c"}


async def test_a_caller_whose_connection_is_lost(gateway: Gateway, simulator: Simulator) -> None:
    async with opened(gateway) as socket:
        await socket.ask(create("a", chat(NEVER)))
        await simulator.seen(1)
        socket.connection.transport.abort()
        (row,) = await settled(gateway, 1)
    assert row["end"] == "caller_left"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "nonsense",
        "[]",
        "null",
        "{}",
        '{"type":"universal.create"',
        '{"type":"universal.create"}',
        '{"type":"universal.create","request":[]}',
        '{"type":"universal.create","request":null}',
        '{"type":7,"request":{}}',
        '{"type":"universal.created","request":{}}',
        '{"type":"universal.create","request":{"eventId":7}}',
        '{"type":"universal.create","request":{"eventId":""}}',
        json.dumps({"type": "universal.create", "request": {"eventId": "x" * 257}}),
        "[" * 100_000,
        '{"type":"universal.create","request":' + "[" * 100_000,
        b"{}",
        b"\xff",
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_asks_for_nothing(gateway: Gateway, message: str | bytes) -> None:
    async with opened(gateway) as socket:
        assert problem(await socket.answer(message)) == (None, 400, 7001)
        await works(socket)
    await gateway.row()  # of the sound one alone


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ({}, 7001),
        ({"provider": "openai"}, 7001),
        ({"provider": "openai", "endpoint": "chat/completions"}, 7001),
        ({**chat("hi"), "query": "text"}, 7001),
        ({**chat("hi"), "headers": ["x"]}, 7001),
        ({**chat("hi"), "headers": {"x": "a\nb"}}, 7001),
        ({**chat("hi"), "provider": "nobody"}, 2008),
        ({**chat("hi"), "provider": "../openai"}, 2008),
        ({**chat("hi"), "endpoint": "https://elsewhere.example/v1"}, 7001),
        ({**chat("hi"), "endpoint": "../files"}, 7000),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_step_that_is_none(gateway: Gateway, simulator: Simulator, step: Any, code: int) -> None:
    async with opened(gateway) as socket:
        assert problem(await socket.answer(create("bad", step))) == ("bad", 400, code)
        assert not simulator.requests
        await works(socket)
    rows = await gateway.rows()
    assert [(row["event_id"], row["end"]) for row in rows] == [("after", "completed"), ("bad", "refused")]


async def test_the_event_id_is_told_of_a_wrong_type(gateway: Gateway) -> None:
    async with opened(gateway) as socket:
        message = {**create("mine", chat("hi")), "type": "universal.cancel"}
        assert problem(await socket.answer(message)) == ("mine", 400, 7001)


async def test_an_event_id_that_is_in_flight(gateway: Gateway, simulator: Simulator) -> None:
    async with opened(gateway) as socket:
        await socket.ask(create("same", chat(NEVER)))
        await simulator.seen(1)
        assert problem(await socket.answer(create("same", chat("hi")))) == ("same", 400, 7001)
        await works(socket)
    assert len(simulator.requests) == 2


async def test_requests_in_flight_are_bounded(start_gateway: StartGateway, simulator: Simulator) -> None:
    gateway = await start_gateway(websocket_max_requests=2)
    async with opened(gateway) as socket:
        await works(socket)
        await socket.ask(create("a", chat(NEVER)))
        await simulator.seen(2)
        await works(socket)  # those that ended count no more
        await socket.ask(create("b", chat(NEVER)))
        await simulator.seen(4)
        assert problem(await socket.answer(create("c", chat("hi")))) == ("c", 429, 3040)


async def test_calls_of_all_callers_are_bounded(start_gateway: StartGateway) -> None:
    """A socket counts for one, and each of its requests for one more."""
    gateway = await start_gateway(max_concurrent_calls=1)
    async with opened(gateway) as socket:
        message = await socket.answer(create("c", chat("hi")))
        assert problem(message) == ("c", 429, 3040) and message["metadata"]["retryAfter"] == "1"
        status, body = await refused(gateway, {"cf-aig-authorization": gateway.headers["authorization"]})
        assert (status, body["internalCode"]) == (429, 3040)


async def test_a_message_that_is_too_large(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(body_max_bytes=64 * 1024)
    async with opened(gateway) as socket:
        await socket.ask(create("big", chat("x" * 128 * 1024)))
        assert (await socket.closed())[0] == 1009
    async with opened(gateway) as socket:
        await works(socket)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(Opcode.TEXT, b'"\xff"'), 1007),
        (frame(Opcode.TEXT, b"ab", fin=False) + frame(Opcode.TEXT, b"cd"), 1002),
        (frame(Opcode.CONT, b"ab"), 1002),
        (b"\x81\x02ab", 1002),  # not masked
        (b"\xc1\x80\0\0\0\0", 1002),  # compressed, which nobody agreed on
        (b"\x83\x80\0\0\0\0", 1002),  # no such opcode
        (b"\x81\xff\x7f" + b"\xff" * 7 + b"\0" * 4, 1009),
        (frame(Opcode.TEXT, b"", fin=False) + frame(Opcode.CONT, b"", fin=False) * (FRAGMENTS_MAX + 1), 1009),
    ],
    ids=["not utf-8", "no end", "no beginning", "unmasked", "compressed", "opcode", "endless", "fragments"],
)
async def test_frames_that_no_client_sends(gateway: Gateway, sent: bytes, code: int) -> None:
    async with raw(gateway) as (reader, writer):
        writer.write(sent)
        assert await close_code(reader) == code
        assert await reader.read() == b""


async def test_a_message_in_fragments_with_pings_between(gateway: Gateway) -> None:
    data = msgspec.json.encode({"type": "none", "x": "é"})
    async with raw(gateway) as (reader, writer):
        writer.write(frame(Opcode.TEXT, data[:1], fin=False))
        for byte in data[1:]:
            writer.write(frame(Opcode.PING, b"") + frame(Opcode.CONT, bytes([byte]), fin=False))
        writer.write(frame(Opcode.CONT, b""))
        async with asyncio.timeout(10):
            assert await reader.readexactly(2 * len(data[1:])) == b"\x8a\x00" * len(data[1:])
            assert b"universal.create" in await reader.readuntil(b"}}")


async def test_no_compression_is_agreed_on(gateway: Gateway) -> None:
    async with opened(gateway, compression="deflate") as socket:
        assert socket.connection.protocol.extensions == []


async def test_whole_answers_that_are_not_json(gateway: Gateway, simulator: Simulator) -> None:
    async with opened(gateway) as socket:
        simulator.next(Fault(kind="wrong_content_type"))
        page = await socket.answer(create("page", chat("hi")))
        assert isinstance(page["response"], str) and page["metadata"]["contentType"].startswith("text/html")
        simulator.next(Fault(kind="malformed_json"))
        assert isinstance((await socket.answer(create("bad", chat("hi"))))["response"], str)
        simulator.next(Fault(kind="empty_body"))
        assert (await socket.answer(create("none", chat("hi"))))["response"] is None
        await works(socket)


async def test_an_answer_that_is_too_large_for_a_message(start_gateway: StartGateway, simulator: Simulator) -> None:
    gateway = await start_gateway(answer_max_bytes=64 * 1024)
    async with opened(gateway) as socket:
        message = await socket.answer(create("big", chat("[[sim: events=2 event_bytes=100000]]")))
        assert message["metadata"]["eventId"] == "big" and message["metadata"]["status"] >= 500
        await works(socket)
    assert [row["success"] for row in await gateway.rows()] == [True, False]


async def test_one_who_does_not_read_stops_the_provider(gateway: Gateway, simulator: Simulator) -> None:
    events, size = 300, 64 * 1024
    async with raw(gateway, receives=64 * 1024) as (reader, writer):
        asked = create("s", chat(f"[[sim: events={events} event_bytes={size}]]", stream=True))
        writer.write(frame(Opcode.TEXT, msgspec.json.encode(asked)))
        request = await simulator.seen(1)
        for _ in range(300):  # other callers are not held up
            assert (await gateway.client.get("/health/live")).status_code == 200
        assert request.events_sent < events
        writer.write(frame(Opcode.PING, b"x" * 100) * 10_000)  # whose answers would pile up, too
        await writer.drain()
        assert (await gateway.client.get("/health/live")).status_code == 200
        read, tail = 0, b""
        async with asyncio.timeout(30):
            while b"universal.done" not in tail:
                piece = await reader.read(1 << 20)
                assert piece
                read += len(piece)
                tail = tail[-20:] + piece
        assert read > events * size
    assert (await gateway.row())["end"] == "completed"


async def test_an_idle_socket_is_closed(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(websocket_idle_seconds=0.05)
    async with opened(gateway) as socket:
        assert await socket.closed() == (1001, "no request for a while")


async def test_a_socket_with_a_request_is_not_idle(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(websocket_idle_seconds=0.05)
    async with opened(gateway) as socket:
        answer = await socket.answer(create("a", chat("[[sim: slow_first_byte=300]]")))
        assert answer["metadata"]["status"] == 200


async def test_a_peer_that_answers_no_ping_is_gone(start_gateway: StartGateway, simulator: Simulator) -> None:
    gateway = await start_gateway(websocket_ping_seconds=0.05)
    async with raw(gateway) as (reader, writer):
        writer.write(frame(Opcode.TEXT, msgspec.json.encode(create("a", chat(NEVER)))))
        async with asyncio.timeout(10):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1000)
    (row,) = await settled(gateway, 1)
    assert row["end"] == "caller_left"


async def test_a_peer_that_answers_pings_stays(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(websocket_ping_seconds=0.5)
    async with opened(gateway) as socket:
        answer = await socket.answer(create("a", chat("[[sim: slow_first_byte=1600]]")))
        assert answer["metadata"]["status"] == 200


async def test_requests_in_flight_end_within_the_drain(start_gateway: StartGateway, simulator: Simulator) -> None:
    gateway = await start_gateway(drain_seconds=10.0)
    async with opened(gateway) as idle, opened(gateway) as socket:
        await socket.ask(create("a", chat("[[sim: slow_first_byte=1500]]")))
        await simulator.seen(1)
        stopping = asyncio.ensure_future(gateway.running.aclose())
        assert (await idle.closed())[0] == 1001
        assert problem(await socket.answer(create("late", chat("hi")))) == ("late", 503, 7000)
        assert (await socket.next())["metadata"] | {"logId": ""} == {
            "cacheStatus": "MISS",
            "eventId": "a",
            "logId": "",
            "step": "0",
            "contentType": "application/json",
            "status": 200,
        }
        assert await socket.closed() == (1001, "the gateway is being stopped")
        await stopping


async def test_requests_that_outlive_the_drain_are_told(start_gateway: StartGateway, simulator: Simulator) -> None:
    gateway = await start_gateway(drain_seconds=0.1)
    async with opened(gateway) as socket:
        await socket.ask(create("a", chat(NEVER)))
        await socket.ask(create("s", chat("[[sim: stall_after=2]]", stream=True)))
        await simulator.seen(2)
        found = [await socket.next() for _ in range(3)]
        await gateway.running.aclose()
        with pytest.raises(ConnectionClosed):
            while True:
                found.append(await socket.next())
    assert ("a", 503, 7000) in [problem(message) for message in found if message["metadata"]["eventId"] == "a"]
    of_stream = [message for message in found if message["metadata"]["eventId"] == "s"]
    assert of_stream[-1]["type"] == "universal.done"
    assert of_stream[-2]["response"]["internalCode"] == 7000


async def test_an_upgrade_behind_another_request(gateway: Gateway) -> None:
    """Both on one connection, sent at once: the answer to the first goes out before the socket is opened."""
    reader, writer = await gateway.connect()
    body = msgspec.json.encode({"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "echo: yes"}]})
    writer.write(
        gateway.request("v1/chat/completions", body)
        + f"GET /v1/{gateway.running.account_id}/default HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n"
        f"upgrade: websocket\r\n{KEY}cf-aig-authorization: {gateway.headers['authorization']}\r\n\r\n".encode()
    )
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(10):
        await reader.readuntil(b"HTTP/1.1 101 ")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(Opcode.TEXT, b"{}"))
        assert b"universal.created" in await reader.readuntil(b"}}")
    writer.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)), max_size=5), st.data())
async def test_no_bytes_are_too_odd(gateway: Gateway, parts: list[bytes], data: Any) -> None:
    """Whatever comes, framed or not: the socket answers or closes, and the gateway goes on."""
    async with raw(gateway) as (reader, writer):
        for part in parts:
            framed = data.draw(st.sampled_from([None, Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING]))
            fin = data.draw(st.booleans())
            writer.write(part if framed is None else frame(framed, part[:120], fin or framed is Opcode.PING))
        writer.write(frame(Opcode.CLOSE, (1000).to_bytes(2, "big")))
        writer.write_eof()
        async with asyncio.timeout(10):
            try:
                await reader.read()
            except ConnectionResetError:
                pass
    assert (await gateway.client.get("/health/live")).status_code == 200
