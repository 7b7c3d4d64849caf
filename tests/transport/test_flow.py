"""Large bodies in both directions: never faster than the other side reads, never more in memory than allowed."""

import asyncio
import hashlib
import socket
from collections.abc import Callable

import pytest

from isthmus.errors import Unavailable
from isthmus.transport.exchange.upload import SLICE_BYTES

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PIECE = bytes(range(256)) * 256
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large"


async def settled(count: Callable[[], int]) -> int:
    """The count once it has stopped growing: hundreds of turns of the loop without a change."""
    seen, since = count(), 0
    for turn in range(100_000):
        if count() != seen:
            seen, since = count(), turn
        elif turn - since > 500:
            return seen
        await asyncio.sleep(0)
    raise AssertionError("it never settled")


async def test_server_writes_only_as_fast_as_the_caller_reads(serve, transport, get) -> None:
    written = [0]
    pieces = 50 * 1024 * 1024 // len(PIECE)

    async def talk(line) -> None:
        await line.read_request()
        await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * len(PIECE)))
        for _ in range(pieces):
            await line.write(PIECE)
            written[0] += len(PIECE)

    server = await serve(talk)
    answer = await transport.send(get(server.url))
    assert await settled(lambda: written[0]) < 20 * 1024 * 1024  # what the kernel's two buffers hold
    assert answer.unread_bytes < 64 * 1024 + 256 * 1024  # the high-water mark and one read of the event loop
    digest = hashlib.sha256()
    async for chunk in answer.chunks():
        digest.update(chunk)
    assert digest.digest() == hashlib.sha256(PIECE * pieces).digest()
    assert answer.complete


async def test_large_request_arrives_whole_and_the_connection_lives_on(serve, transport, get, read) -> None:
    body = PIECE * (32 * 1024 * 1024 // len(PIECE))

    async def talk(line) -> None:
        for _ in range(2):
            server.requests.append(await line.read_request())
            await line.write(OK)

    server = await serve(talk)
    for _ in range(2):
        assert await read(transport, get(server.url, method="POST", body=body)) == b"ok"
    assert [received.body == body for received in server.requests] == [True, True]
    assert server.connections == 1


async def test_large_request_waits_for_a_server_that_does_not_read(serve, transport, get, until) -> None:
    may_read, body = asyncio.Event(), bytes(32 * 1024 * 1024)

    async def talk(line) -> None:
        line.reader._transport.pause_reading()
        await may_read.wait()
        line.reader._transport.resume_reading()
        server.requests.append(await line.read_request())
        await line.write(OK)

    server = await serve(talk)
    sending = asyncio.ensure_future(transport.send(get(server.url, method="POST", body=body)))
    await until(lambda: server.connections)
    (connection,) = transport._pools[server.url, True]._open
    assert await settled(lambda: -len(connection._upload._unsent)) < -10 * 1024 * 1024
    assert connection._transport.get_write_buffer_size() <= SLICE_BYTES + 64 * 1024  # a slice, and the low-water mark
    may_read.set()
    answer = await sending
    assert server.requests[0].body == body
    await answer.aclose()


@pytest.mark.parametrize("body_bytes", [100_000, 300_000, 32 * 1024 * 1024])
async def test_early_refusal_is_not_masked_by_the_broken_pipe(serve, transport, get, read, body_bytes: int) -> None:
    """The server answers after the head, reads no more and closes: what it has not read makes that a reset."""

    async def talk(line) -> None:
        await line.read_head()
        await line.write(TOO_LARGE)

    server = await serve(talk)
    request = get(server.url, method="POST", body=bytes(body_bytes))
    for _ in range(20):
        answer = await transport.send(request)
        assert answer.status == 413
        assert [chunk async for chunk in answer.chunks()] == [b"too large"]
        await answer.aclose()
    assert server.connections == 20


def refuse_each(listener: socket.socket) -> None:
    """Blocking sockets on a thread of their own: the reset comes whenever it likes."""
    with listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                wanted = 1024 * 1024
                while wanted > 0 and (data := connection.recv(65536)):
                    wanted -= len(data)
                if wanted > 0:
                    return
                connection.sendall(TOO_LARGE)


async def test_early_refusal_in_the_midst_of_the_upload(transport, get, read) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    refusing = asyncio.ensure_future(asyncio.to_thread(refuse_each, listener))
    try:
        for _ in range(25):
            request = get(f"http://127.0.0.1:{port}/", method="POST", body=bytes(8 * 1024 * 1024))
            assert await read(transport, request) == b"too large"
    finally:
        _, goodbye = await asyncio.open_connection("127.0.0.1", port)
        goodbye.close()
        await refusing


async def test_early_answer_on_a_connection_left_open_is_its_last(serve, transport, get, read) -> None:
    async def talk(line) -> None:
        await line.read_head()
        line.reader._transport.pause_reading()
        await line.write(TOO_LARGE)
        await line.until_left()

    server = await serve(talk)
    for _ in range(2):
        assert await read(transport, get(server.url, method="POST", body=bytes(32 * 1024 * 1024))) == b"too large"
    assert server.connections == 2


async def test_answer_may_stream_while_the_request_still_does(serve, transport, get, read) -> None:
    """An echo: every piece comes back before the next has been read."""
    body = PIECE * 64

    async def talk(line) -> None:
        await line.read_head()
        await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        for _ in range(64):
            await line.write(await line.reader.readexactly(len(PIECE)))
        await line.until_left()

    server = await serve(talk)
    assert await read(transport, get(server.url, method="POST", body=body)) == body


async def test_reset_in_the_midst_of_the_upload_is_unavailable(serve, transport, get) -> None:
    async def talk(line) -> None:
        await line.read_head()
        line.reset()

    server = await serve(talk)
    with pytest.raises(Unavailable):
        await transport.send(get(server.url, method="POST", body=bytes(8 * 1024 * 1024)))
    assert server.connections == 1
