"""https:// origins: whom we trust, what we name, and what is said when it fails."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from isthmus.errors import Interrupted, Unavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def context_for(authority: trustme.CA):
    def build(*names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context

    return build


async def test_requests_over_tls_share_a_connection(serve, transports, read, get, context_for, ca_file) -> None:
    context, named = context_for("localhost"), []
    context.sni_callback = lambda _sock, name, _context: named.append(name)
    server = await serve(OK, OK, context=context)
    transport = transports(extra_ca_files=(ca_file,))
    for _ in range(2):
        assert await read(transport, get(f"{server.url}/a", method="POST", body=b"x")) == b"ok"
    assert (server.connections, named) == (1, ["localhost"])
    assert server.requests[0].values(b"host") == [f"localhost:{server.port}".encode()]


async def test_address_is_verified_against_the_certificate(serve, transports, read, get, context_for, ca_file) -> None:
    server = await serve(OK, context=context_for("127.0.0.1"))
    transport = transports(extra_ca_files=(ca_file,))
    assert await read(transport, get(f"https://127.0.0.1:{server.port}/")) == b"ok"
    with pytest.raises(Unavailable, match=r"certificate of localhost.* was not accepted: Hostname mismatch"):
        await transport.send(get(server.url))


async def test_unknown_authority_is_not_trusted(serve, transport, get, context_for) -> None:
    server = await serve(OK, context=context_for("localhost"))
    with pytest.raises(Unavailable, match=r"was not accepted: unable to get local issuer certificate\.") as caught:
        await transport.send(get(server.url))
    assert not caught.value.retryable
    assert server.requests == []


async def test_server_that_speaks_no_tls(serve, transport, get) -> None:
    async def talk(line) -> None:
        await line.reader.read(1)
        await line.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await line.until_left()

    server = await serve(talk)
    with pytest.raises(Unavailable, match=r"TLS with 127.0.0.1:.* failed: WRONG_VERSION_NUMBER"):
        await transport.send(get(server.url.replace("http:", "https:")))


async def test_server_that_leaves_in_the_handshake(serve, transport, get) -> None:
    async def talk(line) -> None:
        await line.reader.read(1)

    server = await serve(talk)
    with pytest.raises(Unavailable, match=r"127.0.0.1:\d+ could not be reached"):
        await transport.send(get(server.url.replace("http:", "https:")))


async def test_unreadable_authority_file(transports, get, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        (tmp_path / "empty.pem").touch()
        with pytest.raises(Unavailable, match=r"extra certificate authorities cannot be read"):
            await transports(extra_ca_files=(str(path),)).send(get("https://127.0.0.1:9/"))


async def test_large_bodies_both_ways(serve, transports, read, get, context_for, ca_file) -> None:
    body = bytes(range(256)) * 4096 * 8

    async def talk(line) -> None:
        for _ in range(2):
            request = await line.read_request()
            await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body))
            await line.write(request.body)

    server = await serve(talk, context=context_for("localhost"))
    transport = transports(extra_ca_files=(ca_file,))
    for _ in range(2):
        assert await read(transport, get(server.url, method="POST", body=body)) == body
    assert server.connections == 1


async def test_leaving_is_noticed(serve, transports, get, context_for, ca_file) -> None:
    left = asyncio.Event()

    async def talk(line) -> None:
        await line.read_request()
        await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        await line.until_left()
        left.set()

    server = await serve(talk, context=context_for("localhost"))
    answer = await transports(extra_ca_files=(ca_file,)).send(get(server.url))
    waiting = asyncio.ensure_future(anext(answer.chunks()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(left.wait(), 0.1)


async def test_answer_cut_short(serve, transports, get, context_for, ca_file) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", context=context_for("localhost"))
    answer = await transports(extra_ca_files=(ca_file,)).send(get(server.url))
    with pytest.raises(Interrupted):
        async for chunk in answer.chunks():
            assert chunk == b"half"


async def test_stale_connection_is_replaced(serve, transports, read, get, context_for, ca_file) -> None:
    async def talk(line) -> None:
        for answers in range(2):
            await line.read_request()
            if answers and line.number == 1:
                return
            await line.write(OK)

    server = await serve(talk, context=context_for("localhost"))
    transport = transports(extra_ca_files=(ca_file,))
    for _ in range(3):
        assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize("declared", [True, False])
async def test_streamed_body_over_tls(
    serve, transports, read, get, streamed, context_for, ca_file, declared: bool
) -> None:
    server = await serve(OK, OK, context=context_for("localhost"))
    transport, body = transports(extra_ca_files=(ca_file,)), streamed(*(bytes(range(256)) * 400,) * 80)
    assert await read(transport, get(server.url, **body.fields(declared))) == b"ok"
    assert server.requests[0].body == b"".join(body.pieces) and body.closed
    assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 1
