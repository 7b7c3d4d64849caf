"""A provider on loopback that keeps every byte of a request's head as it came, counts its body instead of holding it,
and answers with the bytes that a test gives."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType

HEAD_MAX_BYTES = 128 * 1024
KEPT_BYTES = 1024 * 1024


class Taken:
    """One request. `lines` in their order, names as they were sent; `body` up to KEPT_BYTES of it."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.lines = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self.body = b""
        self.size = 0
        self._digest = hashlib.sha256()

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.lines if each.lower() == name]

    def header(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self._digest.update(data)
        self.body += data[: KEPT_BYTES - len(self.body)]


Answer = Callable[[Taken], AsyncIterator[bytes]]


class Upstream:
    """`answer` gives the bytes of every answer to come; where it ends, the connection closes. `heed` False: it is begun
    before the request's body was read. `taking` is set when a request's head has come, `cut` when its client has gone
    before the end of its body."""

    def __init__(self) -> None:
        self.requests: list[Taken] = []
        self.answer: Answer = answered(b"{}")
        self.heed = True
        self.taking = asyncio.Event()
        self.cut = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def last(self) -> Taken:
        return self.requests[-1]

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_MAX_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            taken = Taken((await reader.readuntil(b"\r\n\r\n"))[:-4])
            self.taking.set()
            if self.heed:
                await _read_body(reader, taken)
            self.requests.append(taken)
            async for piece in self.answer(taken):
                writer.write(piece)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.cut.set()
        finally:
            self._tasks.discard(task)
            writer.close()


async def _read_body(reader: asyncio.StreamReader, taken: Taken) -> None:
    if taken.header("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            await _take(reader, taken, size)
            await reader.readline()
        await reader.readline()
    else:
        await _take(reader, taken, int(taken.header("content-length") or 0))


async def _take(reader: asyncio.StreamReader, taken: Taken, size: int) -> None:
    while size:
        data = await reader.read(min(size, 256 * 1024))
        if not data:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(data)
        taken.add(data)


def said(*pieces: bytes) -> Answer:
    """These bytes, and the connection closes."""

    async def answer(taken: Taken) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return answer


def answered(body: bytes, status: str = "200 OK", *lines: str, kind: str | None = "application/json") -> Answer:
    """A whole answer, with its length."""
    types = [] if kind is None else [f"content-type: {kind}"]
    head = "\r\n".join((f"HTTP/1.1 {status}", *types, f"content-length: {len(body)}", *lines))
    return said(f"{head}\r\n\r\n".encode() + body)


def streamed(*pieces: bytes, kind: str = "text/event-stream", ended: bool = True) -> Answer:
    """An answer in chunks, one a piece."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
    return said(head, *chunks, b"0\r\n\r\n" if ended else b"")


def configured(directory: Path, url: str, *slugs: str, more: str = "") -> str:
    """A file that declares these providers at one address, with a key of the installation's each."""
    tables = [
        f'[providers.{slug}]\nbase_url = "{url}"\nallow_private_address = true\n'
        f'credential = "file:{_key(directory, slug)}"\n'
        for slug in slugs
    ]
    file = directory / "native.toml"
    file.write_text("\n".join(tables) + more)
    return str(file)


def _key(directory: Path, slug: str) -> Path:
    file = directory / f"{slug}.key"
    file.write_text(installations(slug))
    return file


def installations(slug: str) -> str:
    return f"key-of-the-installation-{slug}"
