"""Gateways between callers who leave and a provider that waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from data_plane.callers import providers
from data_plane.odd_provider import OddProvider


@pytest.fixture
async def provider() -> AsyncIterator[OddProvider]:
    async with OddProvider() as running:
        yield running


@pytest.fixture
def start(start_gateway: Any, provider: OddProvider, tmp_path: Path) -> Callable[..., Awaitable[Any]]:
    """Gateways all of whose providers are that one."""
    config = providers(tmp_path, provider.url)

    async def begin(**changes: Any) -> Any:
        return await start_gateway(**{"config_file": config, **changes})

    return begin
