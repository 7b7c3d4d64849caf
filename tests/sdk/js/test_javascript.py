"""The official JavaScript SDKs, as Node.js runs them, at each kind of target. One process a script asks everything;
what it was told of one cell is one test here. What they need is installed once, as their lock file says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdk.certified import Asked, Cell, Certified, Told, described, side_by_side

JS = Path(__file__).parent
INSTALL_SECONDS = 600
RUN_SECONDS = 240
AI_ERROR = "APICallError"

CALLERS = {
    Asked("openai-chat", "stop", "tool_calls", sees_thoughts=False): "openai.mjs",
    Asked("openai-responses", "completed", "completed", sees_thoughts=True): "openai.mjs",
    Asked("anthropic", "end_turn", "tool_use", sees_thoughts=True): "anthropic.mjs",
    Asked("ai-openai-chat", "stop", "tool-calls", sees_thoughts=False, error=AI_ERROR): "ai.mjs",
    Asked("ai-openai-responses", "stop", "tool-calls", sees_thoughts=True, error=AI_ERROR): "ai.mjs",
    Asked("ai-anthropic", "stop", "tool-calls", sees_thoughts=True, error=AI_ERROR): "ai.mjs",
}


@pytest.fixture(scope="session")
def installed() -> Path:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not here")
    lock, done = JS / "package-lock.json", JS / "node_modules" / ".package-lock.json"
    if not done.is_file() or done.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=JS, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    return JS


@pytest.fixture(scope="session")
def told(installed: Path, served: Any) -> Iterator[Told]:
    with side_by_side(lambda script: _run(installed, served, script), sorted({*CALLERS.values()})) as told:
        yield told


def _run(installed: Path, served: Any, script: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", script, json.dumps(described())],
        cwd=installed,
        env={"PATH": os.environ["PATH"], "AI_URL": served.ai, "TOKEN": served.token},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(params=CALLERS, ids=lambda asked: asked.name)
def asked(request: pytest.FixtureRequest) -> Asked:
    found: Asked = request.param
    return found


@pytest.fixture
def cell(told: Told, asked: Asked) -> Cell:
    return lambda name, target: told(CALLERS[asked])[asked.name][target.id][name]


class TestJavaScript(Certified):
    pass
