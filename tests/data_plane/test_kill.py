"""`kill -9` at any moment: a call whose last byte reached its caller has its row, once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec

ROUNDS = 12
CALLERS = 12
ACCOUNT = "a" * 32
TOKEN = "token-of-the-kill-test"
AI = f"/client/v4/accounts/{ACCOUNT}/ai"
HEADERS = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}


class Server:
    """The gateway as its operator runs it."""

    def __init__(self, tmp_path: Path, simulator: Any) -> None:
        (tmp_path / "isthmus.toml").write_text(
            f'[providers.openai]\nbase_url = "{simulator.openai_url}"\nallow_private_address = true\n'
            f'[providers.anthropic]\nbase_url = "{simulator.anthropic_url}"\nallow_private_address = true\n'
        )
        self._directory = tmp_path
        self.process: subprocess.Popen[str]
        self.url = ""

    async def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "isthmus", "serve", "--port", "0", "--account-id", ACCOUNT, "--api-token", TOKEN],
            cwd=self._directory,
            env={**os.environ, "OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-ant-test"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = await asyncio.to_thread(self._ready)

    def _ready(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if "ready at " in line:
                return line.rpartition("ready at ")[2].strip()
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


async def call(client: httpx.AsyncClient, received: list[str], number: int) -> None:
    """Notes the id of each answer of which the last byte, or the last event, has come."""
    path, model = [
        ("v1/chat/completions", "openai/gpt-4o"),
        ("v1/messages", "anthropic/claude-haiku-4.5"),
        ("v1/messages", "openai/gpt-4o"),
    ][number % 3]
    stream = number % 2 == 0
    body = {"model": model, "max_tokens": 20, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    last = b"[DONE]" if path.endswith("completions") else b"event: message_stop"
    async with client.stream("POST", f"{AI}/{path}", content=msgspec.json.encode(body), headers=HEADERS) as answer:
        assert answer.status_code == 200
        text = b""
        async for chunk in answer.aiter_raw():
            text += chunk
            if stream and last in text:
                received.append(answer.headers["cf-aig-log-id"])
                return
        if not stream and len(text) == int(answer.headers["content-length"]):
            received.append(answer.headers["cf-aig-log-id"])


async def load(url: str, received: list[str]) -> None:
    async def caller(number: int) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=10, verify=False) as client:  # no authorities: 0.1 s
            try:
                while True:
                    await call(client, received, number)
                    number += 1
            except httpx.HTTPError:
                return  # killed

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))


async def test_kill_9_under_load_loses_no_row(tmp_path: Path, simulator: Any) -> None:
    server = Server(tmp_path, simulator)
    moments = random.Random(7)
    received: list[str] = []
    for _ in range(ROUNDS):
        await server.start()
        calling = asyncio.create_task(load(server.url, received))
        had = len(received)
        async with asyncio.timeout(20):
            while len(received) < had + moments.randrange(1, 60):
                await asyncio.sleep(0.001)
        server.kill()
        await calling
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, timeout=30) as client:
            logs = f"/client/v4/accounts/{ACCOUNT}/ai-gateway/gateways/default/logs"
            for entry_id in received:
                row = (await client.get(f"{logs}/{entry_id}")).json()["result"]
                assert (row["id"], row["success"], row["end"]) == (entry_id, True, "completed")
                assert row["tokens_out"] > 0
            assert await all_ids_once(client, logs) >= set(received)
    finally:
        server.kill()
    assert len(received) == len(set(received)) > ROUNDS


async def all_ids_once(client: httpx.AsyncClient, logs: str) -> set[str]:
    ids: list[str] = []
    page = 1
    while rows := (await client.get(f"{logs}?per_page=50&page={page}")).json()["result"]:
        ids += [row["id"] for row in rows]
        page += 1
    assert len(ids) == len(set(ids))
    return set(ids)
