"""A caller who leaves: the provider notices at once, and the connection is never used again."""

import asyncio

import pytest

from isthmus.errors import Interrupted, Unavailable
from isthmus.transport.limits import TransportLimits

NOTICE_SECONDS = 0.1
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Witness:
    """Says `words` to the first caller and notes when it leaves; answers all later ones properly."""

    def __init__(self, words: bytes) -> None:
        self.words = words
        self.spoken = asyncio.Event()
        self.left = asyncio.Event()

    async def talk(self, line) -> None:
        await line.read_request()
        if line.number == 1:
            await line.write(self.words)
            self.spoken.set()
            await line.until_left()
            self.left.set()
        else:
            await line.write(OK)
            await line.until_left()

    async def notices(self) -> None:
        await asyncio.wait_for(self.left.wait(), NOTICE_SECONDS)


async def test_cancelled_before_the_head(serve, transport, get, read) -> None:
    witness = Witness(b"")
    server = await serve(witness.talk)
    sending = asyncio.ensure_future(transport.send(get(server.url)))
    await witness.spoken.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await witness.notices()
    assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 2


async def test_cancelled_while_waiting_for_a_chunk(serve, transport, get, read) -> None:
    witness = Witness(HEAD + b"3\r\none\r\n")
    server = await serve(witness.talk)
    got = asyncio.Event()

    async def listen() -> None:
        answer = await transport.send(get(server.url))
        async for _ in answer.chunks():
            got.set()

    listening = asyncio.ensure_future(listen())
    await got.wait()
    await asyncio.sleep(0)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    await witness.notices()
    assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 2


async def test_closed_before_the_end(serve, transport, get, read) -> None:
    witness = Witness(HEAD + b"3\r\none\r\n")
    server = await serve(witness.talk)
    answer = await transport.send(get(server.url))
    assert await anext(answer.chunks()) == b"one"
    await answer.aclose()
    await answer.aclose()
    await witness.notices()
    assert not answer.complete
    with pytest.raises(Interrupted, match=r"closed before its end"):
        await anext(answer.chunks())
    assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 2


async def test_closed_unread_though_all_of_it_has_come(serve, transport, get, read) -> None:
    """Nothing of the answer is on its way any more: the connection is as good as new."""
    server = await serve(OK, OK)
    answer = await transport.send(get(server.url))
    await answer.aclose()
    assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 1


async def test_cancelled_while_sending_a_large_body(serve, transport, get) -> None:
    read_head, left = asyncio.Event(), asyncio.Event()

    async def talk(line) -> None:
        await line.read_head()
        read_head.set()
        await line.until_left()
        left.set()

    server = await serve(talk)
    sending = asyncio.ensure_future(transport.send(get(server.url, method="POST", body=bytes(256 << 20))))
    await read_head.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await asyncio.wait_for(left.wait(), 1)  # it reads what the kernel already holds first


async def test_cancelled_in_the_handshake(serve, transport, get) -> None:
    hello, left = asyncio.Event(), asyncio.Event()

    async def talk(line) -> None:
        await line.reader.read(1)
        hello.set()
        await line.until_left()
        left.set()

    server = await serve(talk)
    sending = asyncio.ensure_future(transport.send(get(server.url.replace("http:", "https:"))))
    await hello.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await asyncio.wait_for(left.wait(), NOTICE_SECONDS)


async def test_cancelled_while_connecting_leaves_the_slot_free(transports, get) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def resolve(host: str, port: int) -> list[str]:
        asked.set()
        await never.wait()
        return []

    transport = transports(limits=TransportLimits(max_connections_per_origin=1), resolve=resolve)
    for _ in range(3):
        sending = asyncio.ensure_future(transport.send(get("http://provider.example/")))
        await asked.wait()
        asked.clear()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_many_who_leave_at_random_points_leave_nothing_behind(serve, transports, get, read) -> None:
    """Cancelled after every number of steps of the loop that a request takes."""

    async def talk(line) -> None:
        while True:
            await line.read_request()
            await line.write(HEAD)
            for _ in range(3):
                await line.write(b"3\r\nabc\r\n")
            await line.write(b"0\r\n\r\n")

    server = await serve(talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=2))
    for steps in range(40):
        task = asyncio.ensure_future(read(transport, get(server.url)))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await read(transport, get(server.url)) == b"abc" * 3
    pool = transport._pools[server.url, True]
    assert pool._slots_taken == len(pool._open) <= 2


async def test_many_who_leave_an_upload_at_random_points(serve, transports, get, read, streamed) -> None:
    """Cancelled after every number of steps of the loop that an upload takes."""

    async def talk(line) -> None:
        while True:
            await line.read_request()
            await line.write(OK)

    server = await serve(talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=2))
    for steps in range(60):
        body = streamed(b"one", b"", b"two", bytes(100_000))
        task = asyncio.ensure_future(read(transport, get(server.url, **body.fields(steps % 2 == 0))))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert body.closed or not body.begun
        assert await read(transport, get(server.url, **streamed(b"x").fields(False))) == b"ok"
    pool = transport._pools[server.url, True]
    assert pool._slots_taken == len(pool._open) <= 2


async def test_cancelled_while_the_body_keeps_silent(serve, transport, get, streamed) -> None:
    witness = Witness(b"")

    async def talk(line) -> None:
        await line.read_head()
        witness.spoken.set()
        await line.until_left()
        witness.left.set()

    server = await serve(talk)
    body = streamed(b"half", silent=True)
    sending = asyncio.ensure_future(transport.send(get(server.url, **body.fields(False))))
    await witness.spoken.wait()
    await body.drained.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert body.closed
    await witness.notices()


@pytest.mark.parametrize("leave", ["cancelled", "closed"])
async def test_left_after_the_head_in_the_midst_of_an_upload(serve, transport, get, streamed, until, leave) -> None:
    left = asyncio.Event()

    async def talk(line) -> None:
        await line.read_head()
        await line.write(HEAD)
        line.reader._transport.pause_reading()
        await until(lambda: body.closed)
        line.reader._transport.resume_reading()
        await line.until_left()
        left.set()

    server = await serve(talk)
    body = streamed(*(bytes(65536),) * 1024)
    answer = await transport.send(get(server.url, **body.fields(True)))
    (connection,) = transport._pools[server.url, True]._open
    await until(lambda: connection._write_paused)
    if leave == "closed":
        await answer.aclose()
    else:
        listening = asyncio.ensure_future(anext(answer.chunks()))
        await asyncio.sleep(0)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
    assert body.closed and body.pulled < 1024
    await asyncio.wait_for(left.wait(), 1)  # it reads what the kernel already holds first


async def test_closed_transport_ends_uploads(serve, transport, get, streamed) -> None:
    async def talk(line) -> None:
        await line.until_left()

    server, body = await serve(talk), streamed(b"half", silent=True)
    sending = asyncio.ensure_future(transport.send(get(server.url, **body.fields(False))))
    await body.drained.wait()
    await transport.aclose()
    with pytest.raises(Unavailable, match="has been closed"):
        await sending
    assert body.closed
