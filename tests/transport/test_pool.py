"""How many connections there are, who gets one, and how long one rests."""

import asyncio

import pytest

from isthmus.errors import Unavailable
from isthmus.transport.limits import TransportLimits

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Crowd:
    """Answers when told to, and counts who is there."""

    def __init__(self) -> None:
        self.present = self.most = 0
        self.arrived = asyncio.Semaphore(0)
        self.may_answer = asyncio.Event()
        self.left = asyncio.Semaphore(0)

    async def talk(self, line) -> None:
        self.present += 1
        self.most = max(self.most, self.present)
        try:
            while True:
                await line.read_request()
                self.arrived.release()
                await self.may_answer.wait()
                await line.write(OK)
        finally:
            self.present -= 1
            self.left.release()


async def test_two_hundred_at_once_share_ten_connections(serve, transports, read, get) -> None:
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=10))
    requests = [asyncio.ensure_future(read(transport, get(server.url))) for _ in range(200)]
    for _ in range(10):
        await crowd.arrived.acquire()
    crowd.may_answer.set()
    assert await asyncio.gather(*requests) == [b"ok"] * 200
    assert (server.connections, crowd.most) == (10, 10)


async def test_only_so_many_connections_rest(serve, transports, read, get) -> None:
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_idle_per_origin=2))
    requests = [asyncio.ensure_future(read(transport, get(server.url))) for _ in range(5)]
    for _ in range(5):
        await crowd.arrived.acquire()
    crowd.may_answer.set()
    await asyncio.gather(*requests)
    for _ in range(3):
        await crowd.left.acquire()
    assert crowd.present == 2


async def test_waiting_for_a_connection_ends_with_the_connect_timeout(serve, transports, get) -> None:
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=1, max_waiting_per_origin=1))
    first = asyncio.ensure_future(transport.send(get(server.url)))
    await crowd.arrived.acquire()
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"All 1 connections to 127.0.0.1:\d+ stayed busy for 0.02 seconds"):
            await transport.send(get(server.url, connect=0.02))
    crowd.may_answer.set()
    await (await first).aclose()


async def test_queue_for_a_connection_is_bounded(serve, transports, get, read) -> None:
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=1, max_waiting_per_origin=1))
    served = [asyncio.ensure_future(read(transport, get(server.url))) for _ in range(2)]
    await crowd.arrived.acquire()
    with pytest.raises(Unavailable, match=r"waiting for a connection"):
        await transport.send(get(server.url))
    crowd.may_answer.set()
    assert await asyncio.gather(*served) == [b"ok", b"ok"]


async def test_one_who_stops_waiting_is_passed_over(serve, transports, get, read) -> None:
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=1))
    first, second, third = [asyncio.ensure_future(read(transport, get(server.url))) for _ in range(3)]
    await crowd.arrived.acquire()
    second.cancel()
    crowd.may_answer.set()
    assert await asyncio.gather(first, third) == [b"ok", b"ok"]
    assert second.cancelled() and server.connections == 1


async def test_connection_given_to_one_who_has_just_left_is_not_lost(serve, transports, get, read) -> None:
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=1))

    async def send_and_cancel_the_next() -> None:
        await transport.send(get(server.url))
        second.cancel()  # it has been given the connection, and has not run since

    first = asyncio.ensure_future(send_and_cancel_the_next())
    await crowd.arrived.acquire()
    second = asyncio.ensure_future(read(transport, get(server.url)))
    await asyncio.sleep(0)
    crowd.may_answer.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await read(transport, get(server.url)) == b"ok"
    assert server.connections == 1


async def test_slot_of_a_broken_connection_is_free_again(serve, transports, get, read) -> None:
    async def talk(line) -> None:
        server.requests.append(await line.read_request())
        if len(server.requests) > 3:
            await line.write(OK)

    server = await serve(talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=1))
    outcomes = await asyncio.gather(*[read(transport, get(server.url)) for _ in range(4)], return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable, Unavailable, bytes]


async def test_slot_is_free_again_when_connecting_failed(transports, get) -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError

    transport = transports(limits=TransportLimits(max_connections_per_origin=1), resolve=nowhere)
    for _ in range(3):
        with pytest.raises(Unavailable, match=r"provider.example could not be resolved"):
            await transport.send(get("http://provider.example/"))


async def test_connection_rests_only_so_long(serve, transports, read, get) -> None:
    left = asyncio.Event()

    async def talk(line) -> None:
        await line.read_request()
        await line.write(OK)
        await line.until_left()
        left.set()

    server = await serve(talk)
    transport = transports(limits=TransportLimits(idle_expiry_seconds=0.03))
    clock = asyncio.get_running_loop().time
    await read(transport, get(server.url))
    rested_since = clock()
    await left.wait()
    assert 0.02 < clock() - rested_since < 1


async def test_server_that_leaves_a_resting_connection_costs_no_try(serve, transports, read, get, until) -> None:
    async def talk(line) -> None:
        server.requests.append(await line.read_request())
        await line.write(OK)
        if line.number == 2:
            await line.until_left()

    server = await serve(talk)
    transport = transports()
    await read(transport, get(server.url))
    pool = transport._pools[server.url, True]
    await until(lambda: not pool._open)  # our end has seen the FIN
    assert pool._idle == [] and pool.quiet and pool._slots_taken == 0
    await read(transport, get(server.url))
    assert len(server.requests) == 2


async def test_origins_do_not_share_connections(serve, transport, read, get) -> None:
    one, other = await serve(OK, OK), await serve(OK, OK)
    for server in (one, other, one, other):
        await read(transport, get(server.url))
    assert (one.connections, other.connections) == (1, 1)


async def test_only_so_many_quiet_origins_are_remembered(serve, transports, read, get, until) -> None:
    crowd = Crowd()
    crowd.may_answer.set()
    servers = [await serve(crowd.talk) for _ in range(4)]
    transport = transports(limits=TransportLimits(max_origins=2))
    for server in servers:
        await read(transport, get(server.url))
    for _ in range(2):
        await crowd.left.acquire()
    assert crowd.present == 2
    assert [await read(transport, get(server.url)) for server in servers] == [b"ok"] * 4
    await transport.aclose()  # which knows of every connection still there
    await until(lambda: crowd.present == 0)


async def test_waiters_are_told_when_the_transport_closes(serve, transports, get) -> None:
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=1))
    sends = [asyncio.ensure_future(transport.send(get(server.url))) for _ in range(3)]
    await crowd.arrived.acquire()
    await transport.aclose()
    outcomes = await asyncio.gather(*sends, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3


async def test_upload_takes_the_slot_of_a_connection_at_rest(serve, transports, read, get, streamed, until) -> None:
    crowd = Crowd()
    crowd.may_answer.set()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=2))
    await asyncio.gather(*(read(transport, get(server.url)) for _ in range(2)))
    assert (
        await asyncio.gather(*(read(transport, get(server.url, **streamed(b"x").fields(True))) for _ in range(4)))
        == [b"ok"] * 4
    )
    await until(lambda: crowd.present <= 2)
    assert server.connections == 6
    assert transport._pools[server.url, True]._slots_taken <= 2


async def test_upload_waits_its_turn_for_a_slot(serve, transports, read, get, streamed) -> None:
    """What comes free first is a connection: it is closed for the upload, and those who came after get the next."""
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=1))
    requests = [get(server.url), get(server.url, **streamed(b"x").fields(False)), get(server.url)]
    reads = [asyncio.ensure_future(read(transport, request)) for request in requests]
    await crowd.arrived.acquire()
    crowd.may_answer.set()
    assert await asyncio.gather(*reads) == [b"ok"] * 3
    assert server.connections == 2


async def test_waiting_upload_that_leaves_passes_its_turn_on(serve, transports, read, get, streamed) -> None:
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=1))
    first, upload, last = (
        asyncio.ensure_future(read(transport, request))
        for request in (get(server.url), get(server.url, **streamed(b"x").fields(False)), get(server.url))
    )
    await crowd.arrived.acquire()
    upload.cancel()
    crowd.may_answer.set()
    assert await asyncio.gather(first, last) == [b"ok"] * 2
    assert server.connections == 1


async def test_waiter_who_leaves_just_as_a_slot_comes_free(serve, transports, read, get, until) -> None:
    crowd = Crowd()
    server = await serve(crowd.talk)
    transport = transports(limits=TransportLimits(max_connections_per_origin=1))
    first, second = (asyncio.ensure_future(transport.send(get(server.url))) for _ in range(2))
    await crowd.arrived.acquire()
    pool = transport._pools[server.url, True]
    await until(lambda: pool._waiting)
    second.cancel()
    pool._free_slot()  # in the same turn of the loop
    pool._slots_taken += 1  # the slot was not really free
    with pytest.raises(asyncio.CancelledError):
        await second
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await until(lambda: pool._slots_taken == 0)
