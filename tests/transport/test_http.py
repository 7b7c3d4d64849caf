"""What is sent, what comes back, and when a request is sent once more: over real sockets."""

import asyncio
import socket

import pytest

from isthmus.errors import InvalidRequest, Unavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_request_goes_out_as_given(serve, transport, read, get) -> None:
    server = await serve(OK)
    headers = ((b"Authorization", b"Bearer key"), (b"X-Twice", b"1"), (b"X-Twice", b"2"), (b"x-latin", "é".encode()))
    request = get(f"{server.url}/v1/chat?a=b%20c#part", method="POST", headers=headers, body=b'{"a":1}')
    assert await read(transport, request) == b"ok"
    (received,) = server.requests
    assert (received.method, received.target, received.body) == ("POST", "/v1/chat?a=b%20c", b'{"a":1}')
    host = f"127.0.0.1:{server.port}".encode()
    assert received.headers == [(b"Host", host), *headers, (b"Content-Length", b"7")]


async def test_transports_own_headers_are_not_taken_from_the_caller(serve, transport, read, get) -> None:
    server = await serve(OK, OK)
    names = (
        b"Host",
        b"content-LENGTH",
        b"Connection",
        b"Transfer-Encoding",
        b"Keep-Alive",
        b"Upgrade",
        b"TE",
        b"Expect",
    )
    headers = (*((name, b"99") for name in names), (b"X-Kept", b"1"))
    for _ in range(2):
        await read(transport, get(server.url, headers=headers))
    for received in server.requests:
        assert received.headers == [(b"Host", f"127.0.0.1:{server.port}".encode()), (b"X-Kept", b"1")]


@pytest.mark.parametrize(
    ("method", "lengths"),
    [(method, []) for method in ("GET", "HEAD", "DELETE", "OPTIONS")]
    + [(method, [b"0"]) for method in ("POST", "PUT", "PATCH")],
)
async def test_empty_body(serve, transport, read, get, method: str, lengths: list[bytes]) -> None:
    server = await serve(OK)
    await read(transport, get(server.url, method=method))
    assert server.requests[0].values(b"content-length") == lengths
    assert server.requests[0].target == "/"


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": ((b"X-Key", b"secret\r\nX-Other: 1"),)},
        {"headers": ((b"X-Key", b"secret\nX-Other: 1"),)},
        {"headers": ((b"X-Key", b"secret\r"),)},
        {"headers": ((b"X-Key", b"sec\0ret"),)},
        {"headers": ((b"X-secret\r\nX-Other", b"1"),)},
        {"headers": ((b"X secret", b"1"),)},
        {"headers": ((b"X-secret:", b"1"),)},
        {"headers": ((b"", b"secret"),)},
        {"method": "GET /secret HTTP/1.1\r\n"},
        {"method": "GÉT"},
        {"method": ""},
        {"method": "TRACE"},
        {"method": "CONNECT"},
        {"url": "/secret\r\nX-Other: 1"},
        {"url": "/secret path"},
        {"url": "/sécret"},
        {"url": "/secret\t"},
    ],
)
async def test_what_could_forge_a_request_is_refused_unsent(serve, transport, get, fields: dict) -> None:
    server = await serve(OK)
    fields = {**fields, "url": server.url + fields.get("url", "/")}
    for _ in range(2):  # what was refused once is not remembered as good
        with pytest.raises(InvalidRequest) as caught:
            await transport.send(get(**fields))
        assert "secret" not in caught.value.message
    assert server.connections == 0


METHODS = ("GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "POST")


async def test_all_methods_in_turn_share_a_connection(serve, transport, read, get) -> None:
    async def talk(line) -> None:
        while True:
            server.requests.append(await line.read_request())
            await line.write(OK.removesuffix(b"ok") if server.requests[-1].method == "HEAD" else OK)

    server = await serve(talk)
    for body in (b"", b"some"):
        for method in METHODS:
            got = await read(transport, get(server.url, method=method, body=body))
            assert got == (b"" if method == "HEAD" else b"ok")
    assert [received.method for received in server.requests] == [*METHODS, *METHODS]
    assert [received.body for received in server.requests[7:]] == [b"some"] * 7
    assert server.connections == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_answer_without_a_body_leaves_the_connection_in_order(serve, transport, read, get, status) -> None:
    server = await serve(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\nETag: x\r\n\r\n", OK)
    assert await read(transport, get(server.url, method="DELETE")) == b""
    assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 1


async def test_one_connection_serves_many_requests(serve, transport, read, get) -> None:
    server = await serve(*[OK] * 20)
    assert [await read(transport, get(server.url)) for _ in range(20)] == [b"ok"] * 20
    assert (server.connections, len(server.requests)) == (1, 20)


async def test_ten_thousand_requests_in_a_row_use_one_connection(transport, read, get) -> None:
    made = []

    class Canned(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)

        def data_received(self, data: bytes) -> None:
            made[-1].write(OK)

    listener = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0)
    request = get(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1/models")
    for _ in range(10_000):
        assert await read(transport, request) == b"ok"
    assert len(made) == 1
    await transport.aclose()
    listener.close()


@pytest.mark.parametrize(
    "last",
    [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", OK + b"surplus"],
    ids=["connection: close", "surplus"],
)
async def test_connection_which_cannot_be_used_again_is_not(serve, transport, read, get, last: bytes) -> None:
    async def talk(line) -> None:
        server.requests.append(await line.read_request())
        await line.write(last if line.number == 1 else OK)
        await line.until_left()

    server = await serve(talk)
    for _ in range(2):
        assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 2


async def test_server_that_leaves_after_its_answer(serve, transport, read, get) -> None:
    server = await serve(OK)  # the script ends, and so does the connection
    for _ in range(3):
        assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 3


async def stale(line, server, last_words: bytes = b"") -> None:
    """Answers a first request, and leaves when the second has been read."""
    if line.number == 1:
        await line.read_request()
        await line.write(OK)
    server.requests.append(await line.read_request())
    await line.write(last_words)


@pytest.mark.parametrize("reset", [False, True])
async def test_stale_connection_is_replaced_once(serve, transport, read, get, reset: bool) -> None:
    async def talk(line) -> None:
        if line.number > 1:
            server.requests.append(await line.read_request())
            await line.write(OK)
            return
        await stale(line, server)
        if reset:
            line.reset()

    server = await serve(talk)
    for _ in range(2):
        assert await read(transport, get(server.url, method="POST", body=b"once more")) == b"ok"
    assert server.connections == 2
    assert [received.body for received in server.requests] == [b"once more"] * 2


async def test_stale_connection_is_not_replaced_twice(serve, transport, read, get) -> None:
    async def talk(line) -> None:
        await stale(line, server)

    server = await serve(talk)
    await read(transport, get(server.url))
    with pytest.raises(Unavailable, match=r"closed the connection before answering"):
        await transport.send(get(server.url))
    assert server.connections == 2


async def test_no_second_try_once_a_byte_of_the_answer_came(serve, transport, read, get) -> None:
    async def talk(line) -> None:
        await stale(line, server, b"HTTP/1.1 2")

    server = await serve(talk)
    await read(transport, get(server.url))
    with pytest.raises(Unavailable, match=r"in the head of its answer"):
        await transport.send(get(server.url))
    assert server.connections == 1


async def test_no_second_try_on_a_new_connection(serve, transport, get) -> None:
    async def talk(line) -> None:
        await line.read_request()

    server = await serve(talk)
    with pytest.raises(Unavailable) as caught:
        await transport.send(get(server.url))
    assert caught.value.retryable
    assert server.connections == 1


async def test_nobody_listens(transport, get) -> None:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port} could not be reached: Connection refused"):
        await transport.send(get(f"http://127.0.0.1:{port}/"))


async def test_nagle_is_off(serve, transport, get) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    answer = await transport.send(get(server.url))
    sock = answer.source._transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await answer.aclose()


async def test_transport_closes_busy_connections_and_refuses_more(serve, transport, get) -> None:
    left = asyncio.Event()

    async def talk(line) -> None:
        await line.read_request()
        await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        await line.until_left()
        left.set()

    server = await serve(talk)
    await transport.send(get(server.url))
    await transport.aclose()
    await left.wait()
    with pytest.raises(Unavailable, match=r"has been closed"):
        await transport.send(get(server.url))


async def test_header_is_found_by_its_lower_case_name(serve, transport, get) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n")
    answer = await transport.send(get(server.url))
    assert answer.header(b"x-a") == b"1"
    assert answer.header(b"x-b") is None
    assert answer.complete
    await answer.aclose()
