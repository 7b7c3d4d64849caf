"""What no provider is to be sent: addresses that climb, heads that two servers would read in two ways, bodies with a
broken frame. Each is a clear refusal, and nothing goes out."""

from __future__ import annotations

import asyncio

import pytest

from conftest import Gateway
from data_plane.gateway_host.upstream import Upstream
from isthmus.simulator import Simulator

OWN = "authorization: Bearer sk-of-the-caller-12345"
SOON_SECONDS = 10


async def ask(gateway: Gateway, path: str, *lines: str, method: str = "POST", body: bytes = b"") -> tuple[int, bytes]:
    """By a raw connection: the path and the lines of the head as they are given."""
    token = f"cf-aig-authorization: {gateway.headers['authorization']}"
    target = f"/v1/{gateway.running.account_id}/default/{path}"
    head = "\r\n".join((f"{method} {target} HTTP/1.1", "host: isthmus", "connection: close", token, *lines))
    reader, writer = await gateway.connect()
    try:
        writer.write(f"{head}\r\n\r\n".encode("latin-1") + body)
        async with asyncio.timeout(SOON_SECONDS):
            answer = await reader.read()
    finally:
        writer.close()
    return int(answer[9:12]), answer.partition(b"\r\n\r\n")[2]


ADDRESSES = [
    "openai/../../secrets",
    "openai/chat/../files",
    "openai/%2e%2e/x",
    "openai/%252e%252e/x",
    "openai/a%2f..%2fb",
    "openai/a%5c..%5cb",
    "openai/a\\b",
    "openai//evil.com/x",
    "openai/https://evil.com/x",
    "openai/http:%2f%2fevil.com/../x",
    "openai/a//b",
    "openai/a%00b",
    "openai/a%0d%0aHost:%20evil",
    "openai/a%",
    "openai/" + "a" * 5000,
    "openai/x?" + "a" * 20_000,
    "openai",
    "openai/",
    "aws-bedrock/bedrock-runtime/evil.com%2f/model/m/converse",
    "azure-openai/evil.com/d/chat/completions",
]


@pytest.mark.parametrize("path", ADDRESSES, ids=lambda path: path[:40])
async def test_addresses(native: Gateway, upstream: Upstream, path: str) -> None:
    status, body = await ask(native, path, OWN, "content-length: 0")
    assert 400 <= status < 500, body
    assert b"error" in body and not upstream.requests


@pytest.mark.parametrize("path", ["openai/a b", "openai/a\x01b", "openai/a\x80b", "openai/\u00e9"])
async def test_request_lines(native: Gateway, upstream: Upstream, path: str) -> None:
    status, body = await ask(native, path, OWN, "content-length: 0")
    assert 400 <= status < 500, body
    assert not upstream.requests


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (("content-length: 5", "transfer-encoding: chunked"), b"0\r\n\r\n"),
        (("transfer-encoding: chunked", "content-length: 5"), b"0\r\n\r\n"),
        (("content-length: 5", "content-length: 6"), b"123456"),
        (("content-length: 5, 6",), b"123456"),
        (("content-length: -1",), b""),
        (("content-length: +5",), b"12345"),
        (("content-length: 0x5",), b"12345"),
        (("content-length: 5 5",), b"12345"),
        (("content-length:",), b""),
        (("content-length: 99999999999999999999999",), b"x"),
        (("transfer-encoding: gzip, chunked",), b"0\r\n\r\n"),
        (("transfer-encoding: chunked, gzip",), b"0\r\n\r\n"),
        (("transfer-encoding: xchunked",), b"0\r\n\r\n"),
        (("transfer-encoding: chunked", "transfer-encoding: identity"), b"0\r\n\r\n"),
        (("transfer-encoding : chunked",), b"0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"zz\r\nabc\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"-1\r\nabc\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"0x3\r\nabc\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"3\r\nabcX\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"3\nabc\n0\n\n"),
        (("transfer-encoding: chunked",), b"3 \r\nabc\r\n0\r\n\r\n"),
        ((" x-folded: 1", "content-length: 0"), b""),
        (("x-a: 1", " folded", "content-length: 0"), b""),
        (("x a: 1", "content-length: 0"), b""),
        (("x-a: 1\x00", "content-length: 0"), b""),
        (("x-a: 1\rx-b: 2", "content-length: 0"), b""),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_frames(native: Gateway, upstream: Upstream, lines: tuple[str, ...], body: bytes) -> None:
    status, said = await ask(native, "openai/files", OWN, *lines, body=body)
    assert 400 <= status < 500, said
    assert not [taken for taken in upstream.requests if taken.header("transfer-encoding") is None], "it was sent on"


@pytest.mark.parametrize(
    "listed",
    ["authorization", "x-api-key", "cf-aig-authorization", "CF-AIG-Metadata", "content-type", "host", "content-length"],
)
async def test_what_connection_may_not_list(native: Gateway, upstream: Upstream, listed: str) -> None:
    status, said = await ask(native, "openai/files", OWN, f"connection: {listed}", "content-length: 0")
    assert status == 400 and not upstream.requests, said


async def test_methods_that_are_never_sent(native: Gateway, upstream: Upstream) -> None:
    for method in ("TRACE", "CONNECT", "BAD METHOD"):
        status, said = await ask(native, "openai/files", OWN, "content-length: 0", method=method)
        assert 400 <= status < 500, said
    assert not upstream.requests


@pytest.mark.parametrize(
    "lines", [("content-length: 5", "transfer-encoding: chunked"), ("transfer-encoding: gzip, chunked",)]
)
async def test_frames_at_other_addresses(gateway: Gateway, simulator: Simulator, lines: tuple[str, ...]) -> None:
    """The same server reads every head."""
    reader, writer = await gateway.connect()
    head = gateway.request("v1/chat/completions", b"").replace(b"content-length: 0\r\n", b"")
    more = "".join(f"{line}\r\n" for line in lines).encode()
    writer.write(head[:-2] + more + b"connection: close\r\n\r\n0\r\n\r\n")
    async with asyncio.timeout(SOON_SECONDS):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 4") and not simulator.requests
