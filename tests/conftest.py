"""What many tests stand on: the local model's weights, the strict simulator, and a running gateway between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from isthmus.app import Running, start
from isthmus.local import weights
from isthmus.settings import Settings
from isthmus.simulator import Simulator

REPOSITORY = Path(__file__).parent.parent
LOCAL = "@cf/huggingface/smollm2-135m-instruct"
CHAT = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The real weights, fetched once for a checkout."""
    return weights.get("smollm2", REPOSITORY / "isthmus-data")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as running:
        yield running


class Gateway:
    """A running gateway, and what a test says to it."""

    def __init__(self, running: Running, client: httpx.AsyncClient) -> None:
        self.running = running
        self.client = client
        self.account = f"/client/v4/accounts/{running.account_id}"
        self.headers = {"authorization": f"Bearer {running.api_token}"}

    async def post(self, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> httpx.Response:
        """To `/ai/…`, as the account's caller. `body` bytes or a value."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.client.post(
            f"{self.account}/ai/{path}",
            content=content,
            headers={"content-type": "application/json", **self.headers, **(headers or {})},
        )

    async def manage(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """To `/ai-gateway/…`."""
        content = None if body is None else msgspec.json.encode(body)
        return await self.client.request(
            method, f"{self.account}/ai-gateway/{path}", content=content, headers=self.headers
        )

    async def rows(self, gateway: str = "default") -> list[dict[str, Any]]:
        """All its log rows, newest first."""
        answer = await self.manage("GET", f"gateways/{gateway}/logs?per_page=50")
        assert answer.status_code == 200, answer.text
        result: list[dict[str, Any]] = answer.json()["result"]
        return result

    async def rows_or_none(self) -> list[dict[str, Any]]:
        """As `rows`, where the gateway may not have come to be yet."""
        answer = await self.manage("GET", "gateways/default/logs")
        return [] if answer.status_code == 404 else await self.rows()

    async def row(self) -> dict[str, Any]:
        """The one row there is."""
        (row,) = await self.rows()
        return row

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.running.base_url.removeprefix("http://").split(":")
        return await asyncio.open_connection(host, int(port))

    def request(self, path: str, body: bytes, headers: str = "") -> bytes:
        """The bytes of a call, for a raw connection."""
        token = self.headers["authorization"]
        head = (
            f"POST {self.account}/ai/{path} HTTP/1.1\r\nhost: isthmus\r\nauthorization: {token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        )
        return head.encode() + body


StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def start_gateway(tmp_path: Path, simulator: Simulator) -> AsyncIterator[StartGateway]:
    """Starts gateways whose providers are the simulator, with the settings that a test wants."""
    config = tmp_path / "isthmus.toml"
    config.write_text(
        f'[providers.openai]\nbase_url = "{simulator.openai_url}"\nallow_private_address = true\n'
        f'[providers.anthropic]\nbase_url = "{simulator.anthropic_url}"\nallow_private_address = true\n'
    )
    keys = {"OPENAI_API_KEY": "sk-openai-test", "ANTHROPIC_API_KEY": "sk-ant-test"}
    started: list[Gateway] = []

    async def begin(**changes: Any) -> Gateway:
        directory = tmp_path / f"data{len(started)}"
        settings = {"port": 0, "data_directory": str(directory), "config_file": str(config), "drain_seconds": 1.0}
        running = await start(Settings(**{**settings, **changes}), keys)
        client = httpx.AsyncClient(base_url=running.base_url, timeout=30, verify=False)  # no authorities: 0.1 s
        started.append(Gateway(running, client))
        return started[-1]

    yield begin
    for gateway in started:
        await gateway.client.aclose()
        await gateway.running.aclose()


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> Gateway:
    return await start_gateway()
