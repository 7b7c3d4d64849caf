"""A server that says what a test tells it to, on raw sockets; every asynchronous test runs on both event loops."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
import trustme
import uvloop

from isthmus.transport.http import HttpTransport
from isthmus.transport.protocol import Timeouts, UpstreamRequest


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass
class Received:
    """A request as it came."""

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        return [value for own_name, value in self.headers if own_name.lower() == name]


@dataclass
class Line:
    """The server's end of one connection."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read_head(self) -> Received:
        lines = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        method, target, version = lines[0].decode().split(" ")
        assert version == "HTTP/1.1"
        headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines[1:])]
        return Received(method, target, headers, b"")

    async def read_request(self) -> Received:
        request = await self.read_head()
        for length in request.values(b"content-length"):
            request.body = await self.reader.readexactly(int(length))
        if request.values(b"transfer-encoding") == [b"chunked"]:
            request.body = b"".join([chunk async for chunk in self.read_chunks()])
        return request

    async def read_chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield (await self.reader.readexactly(size + 2))[:-2]
        assert await self.reader.readexactly(2) == b"\r\n"

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_left(self) -> None:
        """Returns when the client has closed its end."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    def reset(self) -> None:
        """Closes with RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Talk = Callable[[Line], Awaitable[None]]


@dataclass
class Server:
    """Listens on loopback; `talk` is run for each connection, which is closed when it returns."""

    talk: Talk
    scheme: str = "http"
    port: int = 0
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://{'localhost' if self.scheme == 'https' else '127.0.0.1'}:{self.port}"

    async def open(self, context: ssl.SSLContext | None = None) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self.talk(Line(self.connections, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)


class Body:
    """A streamed body that counts what was asked of it. What follows the pieces: nothing, an error, or silence.
    `copied`: each piece is new memory."""

    def __init__(
        self, *pieces: bytes, then: BaseException | None = None, silent: bool = False, copied: bool = False
    ) -> None:
        self.pieces = pieces
        self.then = then
        self.silent = silent
        self.copied = copied
        self.begun = self.pulled = self.pulled_bytes = 0
        self.drained = asyncio.Event()  # all pieces have been taken, and one more was asked for
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun += 1
        try:
            for piece in self.pieces:
                self.pulled += 1
                self.pulled_bytes += len(piece)
                yield bytes(bytearray(piece)) if self.copied else piece
            self.drained.set()
            if self.silent:
                await asyncio.get_running_loop().create_future()
            if self.then is not None:
                raise self.then
        finally:
            try:
                await asyncio.sleep(0)  # closing may take its time
            finally:
                self.closed = True

    def fields(self, declared: bool, wrong_by: int = 0) -> dict[str, object]:
        """Of a POST; if its length is `declared`, it may be said to be `wrong_by` more than it will be."""
        length = sum(map(len, self.pieces)) + wrong_by
        return {"method": "POST", "body": self, "body_bytes": length if declared else None}


Serve = Callable[..., Awaitable[Server]]


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(talk)`, or `await serve(b"an answer", b"the next one")` for the same words on each connection."""
    servers: list[Server] = []

    async def open_server(*script: Talk | bytes, context: ssl.SSLContext | None = None) -> Server:
        async def recite(line: Line) -> None:
            for answer in script:
                server.requests.append(await line.read_request())
                assert isinstance(answer, bytes)
                await line.write(answer)

        talk = recite if isinstance(script[0], bytes) else script[0]
        server = Server(talk, "https" if context else "http")
        servers.append(server)
        await server.open(context)
        return server

    yield open_server
    for server in servers:
        await server.close()


@pytest_asyncio.fixture
async def transports() -> AsyncIterator[Callable[..., HttpTransport]]:
    """Makes transports, closes them, and sees that the event loop had nothing to complain of."""
    made: list[HttpTransport] = []
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def make(**settings: object) -> HttpTransport:
        made.append(HttpTransport(**settings))
        return made[-1]

    yield make
    for transport in made:
        await transport.aclose()
    assert complaints == []


@pytest.fixture
def transport(transports: Callable[..., HttpTransport]) -> HttpTransport:
    return transports()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def get() -> Callable[..., UpstreamRequest]:
    """A GET request; `first_byte`, `idle` and `connect` are seconds."""

    def build(url: str, *, connect: float = 5.0, first_byte: float = 5.0, idle: float = 5.0, **fields: object):
        timeouts = Timeouts(connect_seconds=connect, first_byte_seconds=first_byte, idle_seconds=idle)
        return UpstreamRequest(**{"method": "GET", "url": url, "timeouts": timeouts, **fields})

    return build


@pytest.fixture
def streamed() -> type[Body]:
    return Body


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Turns the event loop until something is so; gives up after very many turns."""

    async def turn(condition: Callable[[], object]) -> None:
        for _ in range(1_000_000):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never came to be")

    return turn


@pytest.fixture
def read() -> Callable[..., Awaitable[bytes]]:
    """Sends a request, reads its answer to the end and closes it."""

    async def send_and_read(transport: HttpTransport, request: UpstreamRequest) -> bytes:
        answer = await transport.send(request)
        body = b"".join([chunk async for chunk in answer.chunks()])
        assert answer.complete
        await answer.aclose()
        return body

    return send_and_read
