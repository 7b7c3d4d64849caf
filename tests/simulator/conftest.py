"""What the simulator's tests share: a running simulator, a plain way to post to it, and the providers' own published
schemas to hold its answers against.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from isthmus.simulator import Simulator

OPENAI_HEADERS = {"authorization": "Bearer sk-test", "content-type": "application/json"}
ANTHROPIC_HEADERS = {
    "x-api-key": "sk-ant-test",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
}


def _load(name: str) -> ModuleType:
    """A module beside this file: under import-mode=importlib tests cannot import one another."""
    spec = importlib.util.spec_from_file_location(f"simulator_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Reply:
    """An answer as it came over the socket. `complete` tells whether it ended as its headers promised."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, complete: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.complete = complete

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[tuple[str, Any]]:
        """Name and data of each event; the data of `[DONE]` is that text."""
        found: list[tuple[str, Any]] = []
        for block in self.body.decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            data = fields["data"]
            found.append((fields.get("event", ""), data if data == "[DONE]" else json.loads(data)))
        return found


class Caller:
    """A raw client: one connection for each request, everything read to its end."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    async def open(self, path: str, body: Any, headers: dict[str, str] | None = None, method: str = "POST"):
        """Sends a request; returns the streams."""
        host, port = self.simulator.base_url.removeprefix("http://").rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        if headers is None:
            headers = ANTHROPIC_HEADERS if path.startswith("/v1/messages") else OPENAI_HEADERS
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: sim", f"content-length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join((*lines, "", "")).encode() + content)
        return reader, writer

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None, method: str = "POST") -> Reply:
        reader, writer = await self.open(path, body, headers, method)
        try:
            return await read_reply(reader)
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except ConnectionError:
                pass


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    status = int(status_line.split(" ")[1])
    if "content-length" in headers:
        length = int(headers["content-length"])
        body, complete = await _read_up_to(reader, length)
        return Reply(status, headers, body, complete)
    body = b""
    while True:
        try:
            size = int(await reader.readuntil(b"\r\n"), 16)
        except asyncio.IncompleteReadError:
            return Reply(status, headers, body, False)
        data, complete = await _read_up_to(reader, size)
        body += data
        if not complete:
            return Reply(status, headers, body, False)
        await reader.readexactly(2)
        if size == 0:
            return Reply(status, headers, body, True)


async def _read_up_to(reader: asyncio.StreamReader, length: int) -> tuple[bytes, bool]:
    try:
        return await reader.readexactly(length), True
    except asyncio.IncompleteReadError as error:
        return error.partial, False


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=7) as running:
        yield running


@pytest.fixture
def caller(simulator: Simulator) -> Caller:
    return Caller(simulator)


@pytest.fixture(scope="session")
def openai_schemas() -> Any:
    return _load("vendor_schemas").openai()


@pytest.fixture(scope="session")
def anthropic_schemas() -> Any:
    return _load("vendor_schemas").anthropic()


@pytest.fixture(scope="session")
def gemini_schemas() -> Any:
    return _load("discovery_schemas").studio()


@pytest.fixture(scope="session")
def vertex_schemas() -> Any:
    return _load("discovery_schemas").vertex()
