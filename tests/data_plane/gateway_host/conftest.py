"""A gateway between an HTTP client and a provider on loopback that answers what a test gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conftest import Gateway, StartGateway
from data_plane.gateway_host.upstream import Upstream, configured

SLUGS = (
    *("openai", "anthropic", "google-ai-studio", "elevenlabs", "deepgram", "openrouter", "azure-openai", "cartesia"),
    *("aws-bedrock", "fal", "groq"),
)
OPEN = {
    "id": "open",
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
    "authentication": False,
}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as running:
        yield running


@pytest.fixture
async def native(start_gateway: StartGateway, upstream: Upstream, tmp_path: Path) -> Gateway:
    """Its gateways are `default`, which asks for a token, and `open`, which does not."""
    gateway = await start_gateway(config_file=configured(tmp_path, f"{upstream.url}/base/v1", *SLUGS))
    for settings in (OPEN, {**OPEN, "id": "default", "authentication": True}):
        assert (await gateway.manage("POST", "gateways", settings)).status_code == 200
    return gateway
