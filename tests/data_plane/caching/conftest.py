"""One gateway for a module: its gateways `cached` and `other` cache, `plain` does not. Behind it is the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from data_plane.caching.served import Served, served_by


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    directory = tmp_path_factory.mktemp("caching")
    async with served_by(directory) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """Its entries are small."""
    directory = tmp_path_factory.mktemp("small")
    async with served_by(directory, cache_entry_max_bytes=12_000) as served:
        yield served
