"""A gateway with every provider of the simulator behind it, started and started again on one data directory, and two
accounts that call it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from isthmus.app import Running, start
from isthmus.core.account import AI_GATEWAY_RUN, Account, Token, digest
from isthmus.local import weights
from isthmus.settings import Settings
from isthmus.simulator import Simulator
from isthmus.storage.open import open_configs
from sdk.targets import AWS, KEYS, configuration

OTHER = "b" * 32
OTHERS_TOKEN = "token-of-another-account"

OPENAI = "openai/gpt-5.5"
ANTHROPIC = "anthropic/claude-sonnet-4.5"
GOOGLE = "google/gemini-2.5-flash"
BEDROCK = "aws-bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0"


class Stateful:
    """What a caller of Responses says. Answers come as (the response object, the events that led to it)."""

    def __init__(self, running: Running, simulator: Simulator) -> None:
        self.running = running
        self.simulator = simulator
        self.client = httpx.AsyncClient(
            base_url=f"{running.base_url}/client/v4/accounts/{running.account_id}/ai/v1/",
            headers={"authorization": f"Bearer {running.api_token}"},
            timeout=60,
            verify=False,  # reading authorities takes 0.1 s
        )
        self.other = httpx.AsyncClient(
            base_url=f"{running.base_url}/client/v4/accounts/{OTHER}/ai/v1/",
            headers={"authorization": f"Bearer {OTHERS_TOKEN}"},
            timeout=60,
            verify=False,  # reading authorities takes 0.1 s
        )

    async def aclose(self) -> None:
        await self.client.aclose()
        await self.other.aclose()
        await self.running.aclose()

    async def create(self, **body: Any) -> dict[str, Any]:
        """The finished response object, of a stream's last event too, whatever it was asked for."""
        answer = await self.client.post("responses", json=body)
        assert answer.status_code == 200, answer.text
        if not body.get("stream"):
            result: dict[str, Any] = answer.json()
            return result
        events = events_of(answer.content)
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        ids = {event["response"]["id"] for event in events if "response" in event}
        assert len(ids) == 1
        last: dict[str, Any] = events[-1]["response"]
        return last

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def sent(self) -> dict[str, Any]:
        """What the provider was sent last."""
        result: dict[str, Any] = msgspec.json.decode(self.simulator.requests[-1].body)
        return result


def events_of(stream: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: {")]


Begin = Callable[..., Awaitable[Stateful]]


@pytest.fixture
async def begin(tmp_path: Path, simulator: Simulator, smollm2: Path) -> AsyncIterator[Begin]:
    """Starts a gateway on the test's one data directory, stopping the one before."""
    config, data = tmp_path / "isthmus.toml", tmp_path / "data"
    config.write_text(configuration(simulator.base_url))
    link = weights.path_of(weights.find("smollm2"), data)
    link.parent.mkdir(parents=True)
    link.symlink_to(smollm2.resolve())
    running: list[Stateful] = []

    async def start_it(**changes: Any) -> Stateful:
        for before in running:
            await before.aclose()
        running.clear()
        settings = {"port": 0, "data_directory": str(data), "config_file": str(config), "drain_seconds": 1.0}
        running.append(Stateful(await start(Settings(**{**settings, **changes}), {**KEYS, **AWS}), simulator))
        await _add_other(f"sqlite:///{data}/isthmus.db")
        return running[-1]

    yield start_it
    for each in running:
        await each.aclose()


@pytest.fixture
async def stateful(begin: Begin) -> Stateful:
    return await begin()


async def _add_other(database_url: str) -> None:
    storage = await open_configs(database_url)
    await storage.configs.add_account(Account(id=OTHER, name="other", created_at=1.0))
    await storage.configs.add_token(
        Token(
            id="other",
            account_id=OTHER,
            name="other",
            digest=digest(OTHERS_TOKEN),
            permissions=(AI_GATEWAY_RUN,),
            created_at=1.0,
        )
    )
    await storage.aclose()
