"""Where an agent runs: a home and a project of its own, a gateway, and no way out to the network."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN_SECONDS = 180
AGENTS = Path(__file__).parent
NODE_BIN = AGENTS / "node_modules" / ".bin"
AIDER_BIN = AGENTS.parent.parent / ".venv" / "agents" / "bin"


class Closed:
    """A proxy that lets nobody through; `asked_for` is who was to be reached."""

    def __init__(self) -> None:
        self.port = 0
        self.asked_for: list[str] = []

    async def turn_away(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        self.asked_for.append(line.decode("latin-1").strip())
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()


@dataclass(frozen=True)
class Ran:
    """What a run came to: its exit code, and what it wrote to its two outputs."""

    code: int
    said: str
    told: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.said}\n--- stderr\n{self.told}"


@dataclass(frozen=True)
class Place:
    """`short`: the agent is given the short base URL of its dialect instead of the account's."""

    home: Path
    project: Path
    gateway: Any
    closed: Closed
    short: bool = False

    def base(self, dialect: str) -> str:
        """For callers who speak `openai` (with its `/v1`), `anthropic` or `google`."""
        host = self.gateway.running.base_url
        base = f"{host}/{dialect}" if self.short else f"{host}{self.gateway.account}/ai"
        return f"{base}/v1" if dialect == "openai" else base

    @property
    def token(self) -> str:
        return self.gateway.running.api_token

    async def run(self, command: list[str], environment: dict[str, str], stdin: str = "") -> Ran:
        """Raises `TimeoutError` after `RUN_SECONDS`; whatever the agent has started is ended then too."""
        way_out = f"http://127.0.0.1:{self.closed.port}"
        proxies = {name: way_out for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
        here = {name: "127.0.0.1,localhost" for name in ("NO_PROXY", "no_proxy")}
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.project,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "TERM": "dumb", **proxies, **here, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(RUN_SECONDS):
                said, told = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return Ran(process.returncode or 0, said.decode(), told.decode())
