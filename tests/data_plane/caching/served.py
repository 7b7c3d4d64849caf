"""A gateway that caches, over the simulator, and what tests say to it."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from conftest import Gateway
from data_plane.callers import providers
from isthmus.app import start
from isthmus.commands.store import opened_configs
from isthmus.core.account import PERMISSIONS, Account, Token, digest
from isthmus.settings import Settings
from isthmus.simulator import Fault, Simulator

CACHED, OTHER, PLAIN = "cached", "other", "plain"
SETTINGS: dict[str, Any] = {
    "cache_invalidate_on_update": False,
    "cache_ttl": 300,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
    "authentication": True,
}
SECOND = "0123456789abcdef0123456789abcdef"
PLATFORM = "@cf/simulated/gpt-4o"
PLATFORM_VECTORS = "@cf/simulated/embedder"
KEYS = {"OPENAI_API_KEY": "sk-openai-test", "ANTHROPIC_API_KEY": "sk-ant-test"}
_PLATFORM_MODELS = (
    f'[models."{PLATFORM}"]\nprovider = "openai"\nname = "gpt-4o"\n'
    f'[models."{PLATFORM_VECTORS}"]\nprovider = "openai"\nname = "text-embedding-3-small"\n'
)


class Served:
    """`asked` counts what reached a provider."""

    def __init__(self, gateway: Gateway, simulator: Simulator, data_directory: str) -> None:
        self.gateway = gateway
        self.simulator = simulator
        self.data_directory = data_directory
        self.account = gateway.running.account_id

    @property
    def asked(self) -> int:
        return len(self.simulator.requests)

    def fails(self, fault: Fault) -> None:
        """The next request to a provider, and that alone."""
        self.simulator.clear()
        self.simulator.next(fault)

    async def post(
        self, path: str, body: Any, gateway_id: str = CACHED, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """`path`: the whole of it."""
        token = self.gateway.headers["authorization"]
        shown = {"authorization": token} if not path.startswith("/v1/") else {"cf-aig-authorization": token}
        given = {"content-type": "application/json", "cf-aig-gateway-id": gateway_id, **shown, **(headers or {})}
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.gateway.client.post(path, content=content, headers=given)

    async def ask(self, path: str, body: Any, *, headers: dict[str, str] | None = None) -> httpx.Response:
        """To `/ai/…` by way of the gateway that caches."""
        return await self.post(f"{self.gateway.account}/ai/{path}", body, headers=headers)

    async def row_of(self, answer: httpx.Response, gateway_id: str = CACHED) -> dict[str, Any]:
        found = await self.gateway.manage("GET", f"gateways/{gateway_id}/logs/{answer.headers['cf-aig-log-id']}")
        assert found.status_code == 200, found.text
        row: dict[str, Any] = found.json()["result"]
        return row

    async def stranger(self) -> Served:
        """The same, as another account has it; for an account's gateways of the same names."""
        settings = Settings(data_directory=self.data_directory)
        secret = "secret-of-the-second-account"
        async with opened_configs(settings) as configs:
            await configs.add_account(Account(id=SECOND, name="Second", created_at=1.0))
            await configs.add_token(
                Token(
                    id="second",
                    account_id=SECOND,
                    name="second",
                    digest=digest(secret),
                    permissions=PERMISSIONS,
                    created_at=1.0,
                )
            )
        other = copy.copy(self.gateway)
        other.account, other.headers = f"/client/v4/accounts/{SECOND}", {"authorization": f"Bearer {secret}"}
        stranger = copy.copy(self)
        stranger.gateway, stranger.account = other, SECOND
        await stranger.begin()
        return stranger

    async def begin(self) -> None:
        for gateway_id, ttl in ((CACHED, 300), (OTHER, 300), (PLAIN, 0)):
            made = await self.gateway.manage("POST", "gateways", {**SETTINGS, "id": gateway_id, "cache_ttl": ttl})
            assert made.status_code == 200, made.text


def status(answer: httpx.Response) -> str | None:
    found: str | None = answer.headers.get("cf-aig-cache-status")
    return found


@asynccontextmanager
async def served_by(directory: Path, **changes: Any) -> AsyncIterator[Served]:
    async with Simulator(seed=1, max_recorded=100_000) as simulator:
        config = Path(providers(directory, f"{simulator.base_url}/", after="v1/"))
        config.write_text(config.read_text() + _PLATFORM_MODELS)
        settings: dict[str, Any] = {
            "port": 0,
            "data_directory": str(directory / "data"),
            "config_file": str(config),
            "drain_seconds": 1.0,
            **changes,
        }
        running = await start(Settings(**settings), KEYS)
        async with httpx.AsyncClient(base_url=running.base_url, timeout=30) as client:
            served = Served(Gateway(running, client), simulator, settings["data_directory"])
            await served.begin()
            yield served
        await running.aclose()
