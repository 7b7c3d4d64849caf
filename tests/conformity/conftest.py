"""A gateway with every kind of provider behind it, each of them the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from isthmus.app import start
from isthmus.local import weights
from isthmus.settings import Settings
from isthmus.simulator import Simulator
from sdk.targets import AWS, KEYS, configuration


class Client:
    """What speaks to the gateway as the account's caller."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(self, method: str, path: str, content: bytes | None, **headers: str) -> httpx.Response:
        return await self._client.request(method, path, content=content, headers=headers)


@pytest.fixture
async def client(tmp_path: Path, simulator: Simulator, smollm2: Path) -> AsyncIterator[Client]:
    config = tmp_path / "isthmus.toml"
    config.write_text(configuration(simulator.base_url))
    data = tmp_path / "data"
    link = weights.path_of(weights.find("smollm2"), data)
    link.parent.mkdir(parents=True)
    link.symlink_to(smollm2.resolve())
    settings = Settings(port=0, data_directory=str(data), config_file=str(config), drain_seconds=1.0)
    running = await start(settings, {**KEYS, **AWS})
    headers = {"authorization": f"Bearer {running.api_token}", "content-type": "application/json"}
    base_url = f"{running.base_url}/client/v4/accounts/{running.account_id}/ai/"
    async with httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        timeout=30,
        verify=False,  # reading authorities takes 0.1 s
    ) as client:
        yield Client(client)
    await running.aclose()
