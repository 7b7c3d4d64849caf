"""A server on loopback that answers whatever a test puts into it, byte for byte, and knows when its client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType

Answer = Callable[["Asked"], AsyncIterator[bytes]]


class Asked:
    """One request. `left` is set when its connection is no more, whoever closed it."""

    def __init__(self, target: str, headers: dict[str, str], body: bytes) -> None:
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body
        self.left = asyncio.Event()


class OddProvider:
    """`answer` gives the bytes of every answer to come; where it ends, the connection closes."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.answer: Answer = said(http(b""))
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def __aenter__(self) -> OddProvider:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(request.left.wait() for request in self.requests))
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        request: Asked | None = None
        try:
            request = await _read(reader)
            self.requests.append(request)
            gone = asyncio.ensure_future(reader.read())
            answering = asyncio.ensure_future(_write(self.answer(request), writer))
            await asyncio.wait((gone, answering), return_when=asyncio.FIRST_COMPLETED)
            for task in (gone, answering):
                task.cancel()
            await asyncio.gather(gone, answering, return_exceptions=True)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a connection without a request
        finally:
            self._writers.discard(writer)
            writer.close()
            if request is not None:
                request.left.set()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(line.split(" ")[1], headers, body)


async def _write(pieces: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
    async for piece in pieces:
        writer.write(piece)
        await writer.drain()


def said(*pieces: bytes) -> Answer:
    """These bytes, and the connection closes."""

    async def answer(asked: Asked) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return answer


def held(*pieces: bytes) -> Answer:
    """These bytes, and then silence until the client has gone."""

    async def answer(asked: Asked) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
        await asyncio.Event().wait()

    return answer


def endless(head: bytes, piece: bytes) -> Answer:
    """The head, and the piece again and again, as fast as it is read."""

    async def answer(asked: Asked) -> AsyncIterator[bytes]:
        yield head
        while True:
            yield piece

    return answer


def http(body: bytes, content_type: str | None = "application/json", *, status: int = 200, more: str = "") -> bytes:
    """A whole answer. `more`: further lines of its head, each with its CRLF."""
    kind = "" if content_type is None else f"content-type: {content_type}\r\n"
    return f"HTTP/1.1 {status} So\r\n{kind}content-length: {len(body)}\r\n{more}\r\n".encode() + body


def stream_head(content_type: str = "text/event-stream", more: str = "") -> bytes:
    return f"HTTP/1.1 200 So\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n{more}\r\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
