"""However a streamed body is cut into pieces: the same bytes arrive, and the connection is in order afterwards."""

import asyncio
import socket
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.transport.exchange.connection import Connection
from isthmus.transport.limits import TransportLimits
from isthmus.transport.protocol import UpstreamRequest

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

SMALL = st.binary(max_size=20)
LARGE = st.binary(min_size=1, max_size=3).map(lambda word: word * 200_000)


@dataclass
class Bench:
    """Owns one connection."""

    peer: str = "provider.example:443"
    limits: TransportLimits = field(default_factory=TransportLimits)
    released: int = 0

    def release(self, connection: Connection) -> None:
        self.released += 1

    def forget(self, connection: Connection) -> None:
        pass


async def read_body(reader: asyncio.StreamReader, declared_bytes: int | None) -> bytes:
    if declared_bytes is not None:
        return await reader.readexactly(declared_bytes)
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readexactly(2) == b"\r\n"
    return body


@given(pieces=st.lists(SMALL | LARGE, max_size=12), declared=st.booleans())
async def test_pieces_make_the_body(pieces: list[bytes], declared: bool) -> None:
    async def give():
        for piece in pieces:
            yield piece

    whole, bench = b"".join(pieces), Bench()
    length = len(whole) if declared else None
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=theirs)
    _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(bench), sock=ours)
    request = UpstreamRequest(method="POST", url="http://provider.example/", body=give(), body_bytes=length)
    answer = connection.start(request, b"")
    assert await read_body(reader, length) == whole
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    await answer.wait_for_head()
    assert answer.complete and bench.released == 1 and not connection.closed
    writer.close()
    assert await reader.read() == b""  # nothing more was sent
    connection.abort()
    await writer.wait_closed()


async def test_body_of_a_connection_that_is_closed_at_once_is_closed_unbegun() -> None:
    begun = closed = False

    class Pieces:
        def __aiter__(self):
            return self

        async def __anext__(self) -> bytes:
            nonlocal begun
            begun = True
            raise StopAsyncIteration

        async def aclose(self) -> None:
            nonlocal closed
            closed = True

    ours, theirs = socket.socketpair()
    _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(Bench()), sock=ours)
    answer = connection.start(UpstreamRequest(method="PUT", url="http://provider.example/", body=Pieces()), b"")
    connection.abort()
    await answer.aclose()
    assert (begun, closed) == (False, True)
    theirs.close()
