"""Coding agents as their users have them, against a running gateway: `make test-agents` installs them and sets
`TEST_AGENTS`. Without that nothing here is collected.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agents.place import Closed, Place
from isthmus.simulator import Simulator

collect_ignore_glob = [] if os.environ.get("TEST_AGENTS") else ["*"]


@pytest.fixture
async def gateway(start_gateway: Any, simulator: Simulator, tmp_path: Path) -> Any:
    """With Google's models too. The simulator takes any key."""
    bases = {
        "openai": simulator.openai_url,
        "anthropic": simulator.anthropic_url,
        "google-ai-studio": simulator.anthropic_url,
    }
    keys = {"google-ai-studio": 'credential = "env:OPENAI_API_KEY"\n'}
    config = tmp_path / "with-google.toml"
    config.write_text(
        "".join(
            f'[providers.{slug}]\nbase_url = "{base}"\nallow_private_address = true\n{keys.get(slug, "")}'
            for slug, base in bases.items()
        )
    )
    return await start_gateway(config_file=str(config))


@pytest.fixture
async def closed() -> AsyncIterator[Closed]:
    """The way out to the network, which is shut."""
    door = Closed()
    server = await asyncio.start_server(door.turn_away, "127.0.0.1", 0)
    door.port = server.sockets[0].getsockname()[1]
    yield door
    server.close()
    await server.wait_closed()


@pytest.fixture
def place(tmp_path: Path, gateway: Any, closed: Closed) -> Place:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    return Place(home, project, gateway, closed)
