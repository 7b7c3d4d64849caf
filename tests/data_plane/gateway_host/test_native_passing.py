"""What goes through a native address as it is, and what does not: methods, paths, queries, heads, bodies, answers."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import resource
from collections.abc import AsyncIterator

import httpx
import pytest

from conftest import Gateway, StartGateway
from data_plane.gateway_host.upstream import Taken, Upstream, answered, configured, said, streamed

OWN = {"authorization": "Bearer sk-of-the-caller-12345"}
MIB = 1024 * 1024


def at(gateway: Gateway, path: str, gateway_id: str = "default") -> str:
    return f"/v1/{gateway.running.account_id}/{gateway_id}/{path}"


def with_token(gateway: Gateway, **more: str) -> dict[str, str]:
    return {"cf-aig-authorization": gateway.headers["authorization"], **more}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PURGE"])
async def test_any_method(native: Gateway, upstream: Upstream, method: str) -> None:
    answer = await native.client.request(method, at(native, "openai/files/f1"), headers=with_token(native, **OWN))
    assert answer.status_code == 200, answer.text
    assert upstream.last.method == method and upstream.last.target == "/base/v1/files/f1"
    assert answer.content == (b"" if method == "HEAD" else b"{}")
    assert answer.headers["content-length"] == "2"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("openai/files/a%2Fb%20c?x=%2F&x=2&y", "/base/v1/files/a%2Fb%20c?x=%2F&x=2&y"),
        ("openai/v1/files/", "/base/v1/files/"),
        ("openai/files/%E2%82%AC?%E2%82%AC=%e2%82%ac", "/base/v1/files/%E2%82%AC?%E2%82%AC=%e2%82%ac"),
        ("openai/files?", "/base/v1/files"),
        ("openai/files?a=b?c=d/../e", "/base/v1/files?a=b?c=d/../e"),
        (
            "google-ai-studio/v1beta/models/x:generate?key=sk-own-key",
            "/base/v1/v1beta/models/x:generate?key=sk-own-key",
        ),
    ],
)
async def test_addresses_byte_for_byte(native: Gateway, upstream: Upstream, path: str, target: str) -> None:
    reader, writer = await native.connect()
    token = native.headers["authorization"]
    head = f"GET {at(native, path)} HTTP/1.1\r\nhost: x\r\ncf-aig-authorization: {token}\r\n"
    writer.write(head.encode() + b"authorization: Bearer own-key-1\r\nconnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    assert upstream.last.target == target
    writer.close()


async def test_heads(native: Gateway, upstream: Upstream) -> None:
    """Unknown lines pass, in their order and as often as they came; ours, the hop's and this host's do not."""
    lines = [
        ("X-Twice", "one"),
        ("x-custom", "ü"),
        ("X-Twice", "two"),
        ("accept", "a/b"),
        ("openai-organization", "org"),
        ("user-agent", "mine/1"),
    ]
    dropped = {
        "cf-aig-metadata": "{}",
        "cf-aig-collect-log": "true",
        "cf-cache-ttl": "60",
        "cf-skip-cache": "true",
        "cf-connecting-ip": "1.2.3.4",
        "cf-access-jwt-assertion": "jwt",
        "x-forwarded-for": "1.2.3.4",
        "x-forwarded-proto": "https",
        "forwarded": "for=1.2.3.4",
        "via": "1.1 x",
        "cookie": "session=1",
        "keep-alive": "timeout=5",
        "te": "trailers",
        "proxy-authorization": "Basic eDp5",
        "proxy-connection": "keep-alive",
        "trailer": "x",
        "upgrade": "h2c",
        "x-hop": "1",
        "connection": "x-hop, keep-alive",
    }
    given = [*lines, *dropped.items(), *with_token(native, **OWN).items(), ("content-type", "text/x")]
    raw = [(name.encode(), value.encode()) for name, value in given]
    answer = await native.client.post(at(native, "openai/x"), headers=raw, content=b"body")
    assert answer.status_code == 200, answer.text
    taken = upstream.last
    assert taken.body == b"body" and taken.all("content-length") == ["4"] and taken.header("content-type") == "text/x"
    assert taken.all("x-twice") == ["one", "two"] and taken.header("x-custom") == "ü".encode().decode("latin-1")
    assert taken.header("authorization") == OWN["authorization"] and taken.header("user-agent") == "mine/1"
    assert taken.header("host") == upstream.url.removeprefix("http://")
    assert not {name.lower() for name, _ in taken.lines} & (dropped.keys() | {"cf-aig-authorization"})
    order = [name.lower() for name, _ in taken.lines]
    assert order.index("x-custom") < order.index("accept") < order.index("openai-organization")


@pytest.mark.parametrize(
    "status", ["200 OK", "201 Created", "302 Found", "404 Not Found", "418 Teapot", "529 Busy", "299 X"]
)
async def test_answers_as_they_are(native: Gateway, upstream: Upstream, status: str) -> None:
    body = bytes(range(256)) * 3
    upstream.answer = answered(
        body,
        status,
        "X-Request-Id: r1",
        "x-two: 1",
        "x-two: 2",
        "location: https://elsewhere.example/x",
        "set-cookie: a=b",
        "connection: x-gone",
        "x-gone: 1",
        "keep-alive: timeout=5",
        "proxy-authenticate: Basic",
        "cf-aig-log-id: theirs",
        "date: Mon, 01 Jan 2001 00:00:00 GMT",
        "alt-svc: h3",
        "retry-after: 7",
        kind="application/octet-stream",
    )
    answer = await native.client.get(at(native, "openai/files/1/content"), headers=with_token(native, **OWN))
    assert answer.status_code == int(status[:3]) and answer.content == body
    head = answer.headers
    assert head["content-type"] == "application/octet-stream" and head["x-request-id"] == "r1"
    assert head.get_list("x-two") == ["1", "2"] and head["location"] == "https://elsewhere.example/x"
    assert head["retry-after"] == "7" and head["content-length"] == str(len(body))
    assert not head.keys() & {"set-cookie", "x-gone", "keep-alive", "proxy-authenticate", "alt-svc"}
    assert len(head.get_list("date")) == 1 and "2001" not in head["date"]
    assert head["cf-aig-log-id"] != "theirs" and head["cf-aig-step"] == "0"
    assert len(upstream.requests) == 1  # no redirect is followed
    row = await native.row()
    failed = int(status[:3]) >= 400
    assert row["status_code"] == int(status[:3]) and row["success"] is not failed
    assert row["provider"] == "openai" and row["request_type"] == "native" and row["model"] == ""


@pytest.mark.parametrize(
    ("method", "answer", "length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n", "5000"),
        ("HEAD", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", None),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
        ("GET", b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", None),
        ("GET", b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n', None),
        ("HEAD", b"HTTP/1.1 404 Not Found\r\ncontent-length: 12\r\n\r\n", "12"),
        ("POST", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "0"),
    ],
)
async def test_answers_without_a_body(
    native: Gateway, upstream: Upstream, method: str, answer: bytes, length: str | None
) -> None:
    """The connection stays whole: the next call goes over it."""
    upstream.answer = said(answer)
    reader, writer = await native.connect()
    token = native.headers["authorization"]
    head = f"{method} {at(native, 'openai/x')} HTTP/1.1\r\nhost: x\r\ncf-aig-authorization: {token}\r\n"
    for _ in range(2):
        writer.write(head.encode() + b"authorization: Bearer own-key-1\r\n\r\n")
        text = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert text.startswith(f"http/1.1 {answer[9:12].decode()}")
        lines = dict(line.split(": ", 1) for line in text.split("\r\n")[1:-2])
        assert lines.get("content-length") == length and "transfer-encoding" not in lines
        assert "content-type" not in lines
    writer.close()


async def test_compressed_answers_pass(native: Gateway, upstream: Upstream) -> None:
    data = gzip.compress(b"[1,2,3]")
    upstream.answer = answered(data, "200 OK", "content-encoding: gzip")
    headers = with_token(native, **OWN, **{"accept-encoding": "gzip, br"})
    async with native.client.stream("GET", at(native, "openai/files"), headers=headers) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert raw == data and answer.headers["content-encoding"] == "gzip"
    assert upstream.last.header("accept-encoding") == "gzip, br"


PIECES = [b'data: {"a":1}\r\n\r\n', b": ping\n\n", b"event: x\rdata: \xff\xfe\r\r", b"half"]


@pytest.mark.parametrize("cut", range(0, len(b"".join(PIECES)), 3))
async def test_streams_of_no_known_dialect(native: Gateway, upstream: Upstream, cut: int) -> None:
    whole = b"".join(PIECES)
    upstream.answer = streamed(whole[:cut], whole[cut:])
    answer = await native.client.post(
        at(native, "openai/threads/t/runs"), headers=with_token(native, **OWN), content=b"{}"
    )
    assert answer.content == whole and answer.headers["content-type"] == "text/event-stream"


async def test_what_comes_goes_on_at_once(native: Gateway, upstream: Upstream) -> None:
    """An event is not kept until the next one."""
    go_on = asyncio.Event()

    async def answer(taken: Taken) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"
        await go_on.wait()
        yield b"6\r\nsecond\r\n0\r\n\r\n"

    upstream.answer = answer
    async with native.client.stream("GET", at(native, "openai/x"), headers=with_token(native, **OWN)) as received:
        pieces = received.aiter_raw()
        assert await anext(pieces) == b"first"
        go_on.set()
        assert await anext(pieces) == b"second"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n",
    ],
)
async def test_answers_that_break_off(native: Gateway, upstream: Upstream, answer: bytes) -> None:
    """What there was has come, the caller can tell that it was not all, and the row says so."""
    upstream.answer = said(answer)
    received = b""
    with pytest.raises(httpx.RemoteProtocolError):
        async with native.client.stream("GET", at(native, "openai/x"), headers=with_token(native, **OWN)) as stream:
            async for piece in stream.aiter_raw():
                received += piece
    assert received == b"half"
    row = await native.row()
    assert (row["status_code"], row["success"]) == (200, False)


async def test_a_provider_that_is_not_there(native: Gateway, upstream: Upstream) -> None:
    upstream.answer = said(b"")
    answer = await native.client.get(at(native, "openai/x"), headers=with_token(native, **OWN))
    assert answer.status_code == 502
    error = answer.json()
    assert error["name"] == "AiGatewayError" and error["error"][0]["code"] == 2005 == error["internalCode"]


async def test_multipart(native: Gateway, upstream: Upstream) -> None:
    """An upload to a path that keeps nothing, by the installation's key."""
    audio = os.urandom(700_000)
    answer = await native.client.post(
        at(native, "openai/v1/audio/transcriptions"),
        headers=with_token(native),
        files={"file": ("a.wav", audio, "audio/wav")},
        data={"model": "whisper-1"},
    )
    assert answer.status_code == 200, answer.text
    taken = upstream.last
    assert audio in taken.body and taken.header("authorization") == "Bearer key-of-the-installation-openai"
    assert (taken.header("content-type") or "").startswith("multipart/form-data; boundary=")
    row = await native.row()
    assert row["request_type"] == "native" and row["success"] is True


@pytest.mark.parametrize("chunked", [False, True])
async def test_uploads_of_a_hundred_megabytes(native: Gateway, upstream: Upstream, chunked: bool) -> None:
    """They are not held: the gateway runs in this process, whose memory would tell."""
    piece, count = os.urandom(MIB), 100
    digest = hashlib.sha256()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            digest.update(piece)
            yield piece

    headers = with_token(native, **OWN, **{"content-type": "application/octet-stream"})
    if not chunked:
        headers["content-length"] = str(count * MIB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await native.client.post(at(native, "openai/files"), headers=headers, content=body())
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert answer.status_code == 200, answer.text
    assert upstream.last.size == count * MIB and upstream.last.digest == digest.hexdigest()
    assert grown < 40 * 1024, f"{grown} KiB"
    assert upstream.last.header("transfer-encoding") == ("chunked" if chunked else None)


async def test_downloads_of_a_hundred_megabytes(native: Gateway, upstream: Upstream) -> None:
    piece, count = os.urandom(MIB), 100

    async def answer(taken: Taken) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: %d\r\n\r\n" % (count * MIB)
        for _ in range(count):
            yield piece

    upstream.answer = answer
    digest, size = hashlib.sha256(), 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with native.client.stream("GET", at(native, "openai/x"), headers=with_token(native, **OWN)) as received:
        async for data in received.aiter_raw():
            digest.update(data)
            size += len(data)
    assert size == count * MIB and digest.hexdigest() == hashlib.sha256(piece * count).hexdigest()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 140 * 1024  # the sum above holds them once


@pytest.mark.parametrize("declared", [False, True])
async def test_uploads_over_the_limit(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: object, declared: bool
) -> None:
    from pathlib import Path

    config = configured(Path(str(tmp_path)), upstream.url, "openai")
    gateway = await start_gateway(config_file=config, passed_max_bytes=MIB)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * (512 * 1024)

    headers = with_token(gateway, **OWN)
    if declared:
        headers["content-length"] = str(3 * 512 * 1024)
    answer = await gateway.client.post(at(gateway, "openai/files"), headers=headers, content=body())
    assert answer.status_code == 413 and answer.json()["error"][0]["code"] == 3006
    assert (await gateway.row())["status_code"] == 413


async def test_an_answer_in_the_midst_of_an_upload(native: Gateway, upstream: Upstream) -> None:
    """It is given, though most of the body has not come."""
    upstream.heed = False
    upstream.answer = answered(b'{"error":{"message":"too much"}}', "413 Too Large")
    reader, writer = await native.connect()
    lines = [f"cf-aig-authorization: {native.headers['authorization']}", "authorization: Bearer own-key-1"]
    head = "\r\n".join((f"POST {at(native, 'openai/files')} HTTP/1.1", "host: x", "content-length: 10000000", *lines))
    writer.write(head.encode() + b"\r\n\r\n" + b"x" * 65536)
    answer = await reader.readuntil(b"too much")
    assert answer.startswith(b"HTTP/1.1 413")
    writer.close()
    row = await native.row()
    assert (row["status_code"], row["success"]) == (413, False)


async def test_a_caller_that_leaves_in_the_midst_of_an_upload(native: Gateway, upstream: Upstream) -> None:
    """The provider's connection goes down with it, and the row says why."""
    begun, gone = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        await begun.wait()
        raise ConnectionError

    upstream.taking = begun
    upstream.cut = gone
    with pytest.raises(ConnectionError):
        headers = with_token(native, **OWN, **{"content-length": str(10 * MIB)})
        await native.client.post(at(native, "openai/files"), headers=headers, content=body())
    async with asyncio.timeout(10):
        await gone.wait()
        while not (rows := await native.rows()):
            await asyncio.sleep(0)
    assert (rows[0]["status_code"], rows[0]["end"]) == (499, "caller_left")
