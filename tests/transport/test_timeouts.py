"""Which silence is how long, and what is said of it."""

import asyncio
from math import inf

import pytest

from isthmus.errors import TimedOut
from isthmus.transport.exchange.timer import LazyTimer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"


async def test_no_first_byte(serve, transport, get) -> None:
    left = asyncio.Event()

    async def talk(line) -> None:
        await line.read_request()
        await line.until_left()
        left.set()

    server = await serve(talk)
    with pytest.raises(TimedOut, match=r"127.0.0.1:\d+ did not begin to answer within 0.03 seconds") as caught:
        await transport.send(get(server.url, first_byte=0.03))
    assert caught.value.retryable
    await left.wait()
    assert server.connections == 1


async def test_interim_answer_is_no_first_byte(serve, transport, get) -> None:
    async def talk(line) -> None:
        await line.read_request()
        await line.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await line.until_left()

    server = await serve(talk)
    with pytest.raises(TimedOut, match=r"did not begin to answer within 0.03 seconds"):
        await transport.send(get(server.url, first_byte=0.03, idle=0.001))


async def test_silence_in_the_body(serve, transport, get) -> None:
    left = asyncio.Event()

    async def talk(line) -> None:
        await line.read_request()
        await line.write(HEAD + b"half")
        await line.until_left()
        left.set()

    server = await serve(talk)
    answer = await transport.send(get(server.url, idle=0.03))
    chunks = answer.chunks()
    assert await anext(chunks) == b"half"
    with pytest.raises(TimedOut, match=r"fell silent for 0.03 seconds in the middle of its answer") as caught:
        await anext(chunks)
    assert not caught.value.retryable and not answer.complete
    await left.wait()


async def test_bytes_in_time_keep_a_long_answer_alive(serve, transport, get, read) -> None:
    """Five silences, each shorter than the limit and together longer."""
    pulse = asyncio.Event()

    async def talk(line) -> None:
        await line.read_request()
        await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        for _ in range(5):
            await pulse.wait()
            pulse.clear()
            await line.write(b"x")
        await line.until_left()

    server = await serve(talk)
    loop = asyncio.get_running_loop()
    for beat in range(5):
        loop.call_later(0.05 * (beat + 1), pulse.set)
    began = loop.time()
    assert await read(transport, get(server.url, idle=0.2)) == b"x" * 5
    assert loop.time() - began > 0.2


async def test_callers_own_pause_is_no_silence_of_the_server(serve, transports, get) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000)
    answer = await transports().send(get(server.url, idle=0.1))
    paused = asyncio.Event()
    asyncio.get_running_loop().call_later(0.25, paused.set)
    await paused.wait()
    assert sum([len(chunk) async for chunk in answer.chunks()]) == 5_000_000


async def test_server_that_never_reads_a_large_request(serve, transport, get) -> None:
    never = asyncio.Event()

    async def talk(line) -> None:
        line.reader._transport.pause_reading()
        await never.wait()

    server = await serve(talk)
    with pytest.raises(TimedOut, match=r"read nothing of the request for 0.03 seconds"):
        await transport.send(get(server.url, method="POST", body=bytes(32 << 20), first_byte=0.03))


async def test_server_that_reads_a_large_request_slowly_is_given_time(serve, transport, get, read) -> None:
    """The upload takes longer than the limit, but never stands still for so long."""
    pulse, body = asyncio.Event(), bytes(32 << 20)

    async def talk(line) -> None:
        await line.read_head()
        for _ in range(4):
            await pulse.wait()
            pulse.clear()
            await line.reader.readexactly(len(body) // 4)
        await line.write(HEAD + b"thanks")

    server = await serve(talk)
    loop = asyncio.get_running_loop()
    for beat in range(4):
        loop.call_later(0.1 * (beat + 1), pulse.set)
    request = get(server.url, method="POST", body=body, first_byte=0.3)
    assert await read(transport, request) == b"thanks"


async def test_no_limit_at_all(serve, transport, get, read) -> None:
    server = await serve(HEAD + b"whole!")
    assert await read(transport, get(server.url, first_byte=inf, idle=inf)) == b"whole!"


async def test_handshake_that_does_not_end(serve, transport, get) -> None:
    left = asyncio.Event()

    async def talk(line) -> None:
        await line.until_left()
        left.set()

    server = await serve(talk)
    url = server.url.replace("http:", "https:")
    with pytest.raises(TimedOut, match=r"Connecting to 127.0.0.1:\d+ took longer than 0.03 seconds"):
        await transport.send(get(url, connect=0.03))
    await left.wait()


async def test_resolver_that_does_not_answer(transports, get) -> None:
    never = asyncio.Event()

    async def resolve(host: str, port: int) -> list[str]:
        await never.wait()
        return []

    with pytest.raises(TimedOut, match=r"Connecting to provider.example:80 took longer than 0.03 seconds"):
        await transports(resolve=resolve).send(get("http://provider.example/", connect=0.03))


async def test_nearer_deadline_is_kept_though_a_farther_one_was_armed() -> None:
    loop, expired = asyncio.get_running_loop(), asyncio.Event()
    timer = LazyTimer(loop, expired.set)
    began = loop.time()
    timer.set(600)
    timer.set(0.02)
    await expired.wait()
    assert 0.015 < loop.time() - began < 1


async def test_farther_deadline_moves_nothing_in_the_loop() -> None:
    loop, expired = asyncio.get_running_loop(), asyncio.Event()
    timer = LazyTimer(loop, expired.set)
    timer.set(0.02)
    handle = timer._handle
    timer.push(0.05)
    assert timer._handle is handle
    began = loop.time()
    await expired.wait()
    assert 0.045 < loop.time() - began < 1


async def test_suspended_timer_does_not_expire_until_it_is_set_again() -> None:
    loop, expired, later = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    timer = LazyTimer(loop, expired.set)
    timer.set(0.01)
    timer.suspend()
    loop.call_later(0.03, later.set)
    await later.wait()
    assert not expired.is_set()
    timer.set(0.01)
    await expired.wait()


async def test_stopped_timer_is_gone() -> None:
    loop, expired, later = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    timer = LazyTimer(loop, expired.set)
    timer.set(0.01)
    timer.stop()
    loop.call_later(0.02, later.set)
    await later.wait()
    assert not expired.is_set()


@pytest.mark.parametrize("declared", [True, False])
async def test_caller_who_sends_slowly_has_all_the_time(serve, transport, get, read, declared: bool) -> None:
    """The limit is passed over and over, before the first piece and after each; it is the body that keeps silent."""
    pulse = asyncio.Semaphore(0)

    async def slowly():
        for _ in range(3):
            await pulse.acquire()
            yield b"x"
        if not declared:
            await pulse.acquire()

    async def talk(line) -> None:
        server.requests.append(await line.read_request())
        await line.write(HEAD + b"thanks")

    server = await serve(talk)
    loop = asyncio.get_running_loop()
    for beat in range(4):
        loop.call_later(0.25 * (beat + 1), pulse.release)
    request = get(server.url, method="POST", body=slowly(), body_bytes=3 if declared else None, first_byte=0.15)
    assert await read(transport, request) == b"thanks"
    assert server.requests[0].body == b"xxx"


async def test_slow_caller_makes_no_silence_in_an_early_answer(serve, transport, get, read) -> None:
    spoken = asyncio.Event()

    async def slowly():
        yield b"x"
        await spoken.wait()
        yield b"y"

    async def talk(line) -> None:
        await line.read_head()
        await line.write(HEAD + b"half")
        await line.reader.readexactly(2)
        await line.write(b"ok")

    server = await serve(talk)
    asyncio.get_running_loop().call_later(0.3, spoken.set)
    request = get(server.url, method="POST", body=slowly(), body_bytes=2, idle=0.15)
    assert await read(transport, request) == b"halfok"


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("silent", [True, False])
async def test_no_first_byte_after_a_streamed_body(serve, transport, get, streamed, declared, silent) -> None:
    """All that was declared is there: should the body never end, the silence is the provider's."""
    if silent and not declared:
        return

    async def talk(line) -> None:
        await line.until_left()

    server, body = await serve(talk), streamed(b"one", b"two", silent=silent)
    with pytest.raises(TimedOut, match=r"did not begin to answer within 0.03 seconds") as caught:
        await transport.send(get(server.url, first_byte=0.03, **body.fields(declared)))
    assert not caught.value.retryable and body.closed


async def test_server_that_never_reads_a_streamed_body(serve, transport, get, streamed) -> None:
    never = asyncio.Event()

    async def talk(line) -> None:
        line.reader._transport.pause_reading()
        await never.wait()

    server, body = await serve(talk), streamed(*(bytes(65536),) * 1024)
    with pytest.raises(TimedOut, match=r"read nothing of the request for 0.05 seconds"):
        await transport.send(get(server.url, first_byte=0.05, **body.fields(True)))
    assert body.closed and body.pulled < 1024


async def test_interim_answer_does_not_stop_the_time_that_reading_buys(serve, transport, get, read) -> None:
    pulse, body = asyncio.Event(), bytes(32 << 20)

    async def talk(line) -> None:
        await line.read_head()
        await line.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        for _ in range(4):
            await pulse.wait()
            pulse.clear()
            await line.reader.readexactly(len(body) // 4)
        await line.write(HEAD + b"thanks")

    server = await serve(talk)
    loop = asyncio.get_running_loop()
    for beat in range(4):
        loop.call_later(0.1 * (beat + 1), pulse.set)
    assert await read(transport, get(server.url, method="POST", body=body, first_byte=0.3)) == b"thanks"


async def test_answer_left_unread_makes_no_silence_though_the_upload_goes_on(serve, transport, get) -> None:
    spoken, paused = asyncio.Event(), asyncio.Event()

    async def slowly():
        await spoken.wait()
        yield b"x"

    async def talk(line) -> None:
        await line.read_head()
        line.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000)
        await line.reader.readexactly(1)
        await line.until_left()

    server = await serve(talk)
    answer = await transport.send(get(server.url, method="POST", body=slowly(), body_bytes=1, idle=0.1))
    asyncio.get_running_loop().call_later(0.05, spoken.set)
    asyncio.get_running_loop().call_later(0.3, paused.set)
    await paused.wait()
    assert sum([len(chunk) async for chunk in answer.chunks()]) == 5_000_000
