"""Request bodies that come piece by piece: what goes out, how fast, and what becomes of connection and body."""

import asyncio
import hashlib
import tracemalloc

import pytest

from isthmus.errors import CallerLeft, InternalError, InvalidRequest, TooLarge, Unavailable
from isthmus.transport.exchange.upload import SLICE_BYTES

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large"
PIECE = bytes(range(256)) * 256
MIB = 1024 * 1024
LENGTHS = pytest.mark.parametrize("declared", [True, False], ids=["with a length", "in chunks"])


SHAPES = {
    "nothing": (),
    "one byte": (b"x",),
    "words": (b"one", b"two", b"three"),
    "empty pieces between": (b"", b"one", b"", b"", b"two", b""),
    "much at once": (PIECE * 48,),
    "many pieces": (PIECE,) * 48,
    "larger than a slice, and small": (bytes(SLICE_BYTES + 1), b"x", bytes(3 * SLICE_BYTES)),
}


@LENGTHS
@pytest.mark.parametrize("shape", SHAPES)
async def test_arrives_whole_and_the_connection_lives_on(
    serve, transport, get, read, streamed, shape: str, declared
) -> None:
    async def talk(line) -> None:
        for _ in range(2):
            server.requests.append(await line.read_request())
            await line.write(OK)

    server = await serve(talk)
    body = streamed(*SHAPES[shape])
    assert await read(transport, get(server.url, **body.fields(declared))) == b"ok"
    assert body.closed
    received, whole = server.requests[0], b"".join(SHAPES[shape])
    assert received.body == whole
    assert received.values(b"content-length") == ([b"%d" % len(whole)] if declared else [])
    assert received.values(b"transfer-encoding") == ([] if declared else [b"chunked"])
    assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 1


async def test_a_declared_nothing_on_get_has_no_length(serve, transport, get, read, streamed) -> None:
    server = await serve(OK)
    await read(transport, get(server.url, **{**streamed().fields(True), "method": "GET"}))
    assert server.requests[0].values(b"content-length") == []


async def test_negative_length_is_refused(serve, transport, get, streamed) -> None:
    server, body = await serve(OK), streamed(b"x")
    with pytest.raises(InvalidRequest):
        await transport.send(get(server.url, **body.fields(True, wrong_by=-2)))
    assert (server.connections, body.begun) == (0, 0)


@LENGTHS
async def test_a_hundred_megabytes_pass_in_little_memory(serve, transport, get, read, streamed, declared) -> None:
    count = 100 * MIB // len(PIECE)
    digest, read_bytes, most_ahead = hashlib.sha256(), 0, 0

    async def talk(line) -> None:
        nonlocal read_bytes, most_ahead
        await line.read_head()
        while read_bytes < count * len(PIECE):
            data = await line.reader.readexactly(len(PIECE)) if declared else await anext(line.read_chunks())
            digest.update(data)
            read_bytes += len(data)
            most_ahead = max(most_ahead, body.pulled_bytes - read_bytes)
        if not declared:
            assert [chunk async for chunk in line.read_chunks()] == []
        await line.write(OK)

    server, body = await serve(talk), streamed(*(PIECE,) * count, copied=True)
    tracemalloc.start()
    try:
        assert await read(transport, get(server.url, **body.fields(declared))) == b"ok"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert digest.digest() == hashlib.sha256(PIECE * count).digest()
    assert peak < 4 * MIB
    assert most_ahead < 20 * MIB  # what the kernel's two buffers hold


@LENGTHS
async def test_nothing_is_pulled_for_a_server_that_does_not_read(
    serve, transport, get, until, streamed, declared
) -> None:
    may_read = asyncio.Event()

    async def talk(line) -> None:
        line.reader._transport.pause_reading()
        await may_read.wait()
        line.reader._transport.resume_reading()
        server.requests.append(await line.read_request())
        await line.write(OK)

    server, body = await serve(talk), streamed(*(PIECE,) * (64 * MIB // len(PIECE)))
    sending = asyncio.ensure_future(transport.send(get(server.url, **body.fields(declared))))
    await until(lambda: body.pulled)
    (connection,) = transport._pools[server.url, True]._open
    await until(lambda: connection._write_paused)
    seen = -1
    while seen != body.pulled:
        seen = body.pulled
        for _ in range(1000):
            await asyncio.sleep(0)
    assert body.pulled_bytes < 20 * MIB
    assert connection._transport.get_write_buffer_size() <= 2 * len(PIECE) + 64 * 1024
    may_read.set()
    answer = await sending
    assert server.requests[0].body == b"".join(body.pieces)
    await answer.aclose()


@LENGTHS
async def test_early_refusal_and_close(serve, transport, get, read, streamed, declared) -> None:
    """What the server has not read makes its close a reset; the answer is had all the same."""

    async def talk(line) -> None:
        await line.read_head()
        await line.write(TOO_LARGE)

    server = await serve(talk)
    for _ in range(20):
        body = streamed(*(PIECE,) * 512)
        assert await read(transport, get(server.url, **body.fields(declared))) == b"too large"
        assert body.closed and body.pulled < 512
    assert server.connections == 20


@LENGTHS
async def test_early_answer_while_the_caller_is_silent(serve, transport, get, read, streamed, declared) -> None:
    """It is the connection's last, and nobody waits for the caller any more."""

    async def talk(line) -> None:
        await line.read_head()
        await line.write(TOO_LARGE)
        await line.until_left()

    server = await serve(talk)
    for _ in range(2):
        body = streamed(b"half", silent=True)
        assert await read(transport, get(server.url, **body.fields(declared, wrong_by=4))) == b"too large"
        assert body.closed
    assert server.connections == 2


async def test_answer_to_all_that_was_declared_need_not_wait_for_the_end(serve, transport, get, read, streamed) -> None:
    server, body = await serve(OK, OK), streamed(b"whole", silent=True)
    assert await read(transport, get(server.url, **body.fields(True))) == b"ok"
    assert body.closed
    assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 1


@LENGTHS
async def test_answer_streams_while_the_request_does(serve, transport, get, declared) -> None:
    """An echo, with a caller who sends the next word when it has heard the last one."""
    heard = asyncio.Queue()

    async def words():
        yield b"0"
        for number in range(1, 5):
            assert await heard.get() == b"%d" % (number - 1)
            yield b"%d" % number

    async def talk(line) -> None:
        await line.read_head()
        await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        for _ in range(5):
            await line.write(await (line.reader.readexactly(1) if declared else anext(line.read_chunks())))
        await line.until_left()

    server = await serve(talk)
    request = get(server.url, method="PUT", body=words(), body_bytes=5 if declared else None)
    answer = await transport.send(request)
    got = b""
    async for chunk in answer.chunks():
        got += chunk
        heard.put_nowait(chunk)
    assert got == b"01234" and answer.complete
    await answer.aclose()


async def test_interim_answers_in_the_midst_of_an_upload(serve, transport, get, read, streamed) -> None:
    async def talk(line) -> None:
        await line.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        server.requests.append(await line.read_request())
        await line.write(b"HTTP/1.1 102 Processing\r\n\r\n" + OK)

    server, body = await serve(talk), streamed(*(PIECE,) * 100)
    assert await read(transport, get(server.url, **body.fields(True))) == b"ok"
    assert server.requests[0].body == PIECE * 100


async def tell_what_came(line, left: asyncio.Future) -> None:
    """All that a client sent after the head until it left."""
    await line.read_head()
    came = b""
    try:
        while data := await line.reader.read(65536):
            came += data
    except ConnectionError:
        pass
    left.set_result(came)


ERRORS = [CallerLeft("It left."), TooLarge("It is too large."), ValueError("It is broken.")]


@LENGTHS
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_error_of_the_body_is_raised_and_the_connection_closed(
    serve, transport, get, streamed, error, declared
) -> None:
    left = asyncio.get_running_loop().create_future()
    server = await serve(lambda line: tell_what_came(line, left))
    body = streamed(b"half", then=error)
    with pytest.raises(type(error)) as caught:
        await transport.send(get(server.url, **body.fields(declared, wrong_by=4)))
    assert caught.value is error and body.closed
    assert await left in (b"", b"half" if declared else b"4\r\nhalf\r\n")  # a reset may outrun what was sent
    assert transport._pools[server.url, True].quiet


async def test_error_of_the_body_after_the_head_is_raised_by_the_chunks(serve, transport, get, until) -> None:
    error, answered = CallerLeft("It left."), asyncio.Event()

    async def words():
        await answered.wait()
        yield b"one"
        raise error

    async def talk(line) -> None:
        await line.read_head()
        await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nword")
        await line.until_left()

    server = await serve(talk)
    answer = await transport.send(get(server.url, method="POST", body=words()))
    answered.set()
    chunks = answer.chunks()
    assert await anext(chunks) == b"word"
    with pytest.raises(CallerLeft) as caught:
        await anext(chunks)
    assert caught.value is error and not answer.complete
    await answer.aclose()


async def test_body_that_is_cancelled_from_elsewhere(serve, transport, get, streamed) -> None:
    async def talk(line) -> None:
        await line.until_left()

    server = await serve(talk)
    body = streamed(b"x", then=asyncio.CancelledError())
    with pytest.raises(InternalError, match="broken off"):
        await transport.send(get(server.url, **body.fields(False)))


async def test_too_few_bytes(serve, transport, get, streamed) -> None:
    left = asyncio.get_running_loop().create_future()
    server, body = await serve(lambda line: tell_what_came(line, left)), streamed(b"one", b"two")
    with pytest.raises(InvalidRequest, match="ended after 6 of the 7 bytes"):
        await transport.send(get(server.url, **body.fields(True, wrong_by=1)))
    assert body.closed
    await left
    assert transport._pools[server.url, True].quiet


@pytest.mark.parametrize("pieces", [(b"one", b"two"), (b"onetwo",), (b"onetw", b"o")])
async def test_too_many_bytes(serve, transport, get, streamed, pieces) -> None:
    left = asyncio.get_running_loop().create_future()
    server, body = await serve(lambda line: tell_what_came(line, left)), streamed(*pieces)
    with pytest.raises(InvalidRequest, match="goes on after the 5 bytes"):
        await transport.send(get(server.url, **body.fields(True, wrong_by=-1)))
    assert body.closed
    assert len(await left) <= 5
    assert transport._pools[server.url, True].quiet


async def test_kept_connection_carries_no_streamed_body(serve, transport, get, read, streamed) -> None:
    """It may be stale, and what was pulled cannot be sent again."""
    server = await serve(OK, OK)
    for _ in range(2):
        await read(transport, get(server.url, **streamed(b"x").fields(True)))
    assert server.connections == 2


@LENGTHS
async def test_server_that_leaves_is_not_asked_again(serve, transport, get, read, streamed, declared) -> None:
    async def talk(line) -> None:
        if line.number == 1:
            await line.read_request()
            await line.write(OK)
        server.requests.append(await line.read_request())

    server, body = await serve(talk), streamed(b"only once")
    await read(transport, get(server.url))
    with pytest.raises(Unavailable, match="before answering") as caught:
        await transport.send(get(server.url, **body.fields(declared)))
    assert not caught.value.retryable
    assert (server.connections, len(server.requests), body.begun, body.closed) == (2, 1, 1, True)


async def test_body_is_untouched_where_no_connection_was_to_be_had(transport, get, streamed) -> None:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    body = streamed(b"x")
    with pytest.raises(Unavailable) as caught:
        await transport.send(get(f"http://127.0.0.1:{port}/", **body.fields(True)))
    assert caught.value.retryable and body.begun == 0


async def test_body_that_does_not_heed_its_end_writes_into_no_other_request(serve, transport, get, read) -> None:
    async def stubborn():
        yield b"whole"
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            yield b"surplus"

    server = await serve(OK, OK)
    for _ in range(2):
        assert await read(transport, get(server.url, method="POST", body=stubborn(), body_bytes=5)) == b"ok"
    assert await read(transport, get(server.url)) == b"ok"
    assert [(received.method, received.body) for received in server.requests] == [("POST", b"whole")] * 2 + [
        ("GET", b"")
    ]


async def test_iterator_without_aclose(serve, transport, get, read) -> None:
    class Countdown:
        left = 3

        def __aiter__(self):
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return b"%d" % self.left

    server = await serve(OK)
    await read(transport, get(server.url, method="PATCH", body=Countdown()))
    assert server.requests[0].body == b"210"
