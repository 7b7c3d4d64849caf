"""Requests that would like to become another protocol: they are answered as what they are, body and all."""

from __future__ import annotations

import asyncio

import pytest

from conftest import Gateway
from data_plane.gateway_host.test_native_keys import at
from data_plane.gateway_host.upstream import Upstream

JAVAS = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAAB\r\n"


def post(gateway: Gateway, framing: str, body: bytes, upgrade: str = JAVAS) -> bytes:
    head = (
        f"POST {at(gateway, 'openai/images/generations')} HTTP/1.1\r\nhost: isthmus\r\n{upgrade}{framing}"
        f"authorization: {gateway.headers['authorization']}\r\ncontent-type: application/json\r\n\r\n"
    )
    return head.encode() + body


async def answered(reader: asyncio.StreamReader) -> bytes:
    """One answer's status line; its body is read."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
    await reader.readexactly(int(length.partition(b": ")[2]))
    return head.partition(b"\r\n")[0]


@pytest.mark.parametrize("cut", [None, 1, 60, -1, -4])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("content-length: 9\r\n", b'{"a": 12}'),
        ("transfer-encoding: chunked\r\n", b'3\r\n{"a\r\n6\r\n": 12}\r\n0\r\n\r\n'),
    ],
)
async def test_its_body_comes_through(
    native: Gateway, upstream: Upstream, framing: str, body: bytes, cut: int | None
) -> None:
    """However it is cut on its way, three times on one connection."""
    reader, writer = await native.connect()
    for number in range(1, 4):
        data = post(native, framing, body)
        for part in (data,) if cut is None else (data[:cut], data[cut:]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        assert await answered(reader) == b"HTTP/1.1 200 OK"
        assert len(upstream.requests) == number
        assert upstream.last.body == b'{"a": 12}' and upstream.last.header("upgrade") is None
        assert upstream.last.header("http2-settings") is None
    writer.close()


@pytest.mark.parametrize("upgrade", ["connection: upgrade\r\nupgrade: websocket\r\n", JAVAS, ""])
async def test_pipelined(native: Gateway, upstream: Upstream, upgrade: str) -> None:
    reader, writer = await native.connect()
    several = [post(native, "content-length: 1\r\n", b"%d" % number, upgrade) for number in range(5)]
    bare = f"GET {at(native, 'openai/models')} HTTP/1.1\r\n{upgrade.replace('websocket', 'x')}".encode()
    several.insert(2, bare + f"authorization: {native.headers['authorization']}\r\n\r\n".encode())
    writer.write(b"".join(several))
    for _ in several:
        assert await answered(reader) == b"HTTP/1.1 200 OK"
    assert [taken.body for taken in upstream.requests] == [b"0", b"1", b"", b"2", b"3", b"4"]
    writer.close()


async def test_what_follows_it_is_checked_as_ever(native: Gateway, upstream: Upstream) -> None:
    reader, writer = await native.connect()
    writer.write(post(native, "transfer-encoding: chunked\r\n", b"zz\r\n"))
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    assert not upstream.requests
    writer.close()
