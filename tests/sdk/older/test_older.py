"""Older majors of OpenAI's and Anthropic's Python SDKs at each kind of target. `make test` installs each into a folder
of its own; a process that has it before everything else asks, and what it was told of one cell is one test here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdk.certified import Asked, Cell, Certified, Told, side_by_side

REPOSITORY = Path(__file__).parents[3]
OLDER = REPOSITORY / ".venv" / "older"
RUN_SECONDS = 240

CHAT = Asked("openai-chat", "stop", "tool_calls", sees_thoughts=False)
RESPONSES = Asked("openai-responses", "completed", "completed", sees_thoughts=True)
MESSAGES = Asked("anthropic", "end_turn", "tool_use", sees_thoughts=True)
CALLERS = [
    ("openai-1", CHAT),
    ("openai-1", RESPONSES),
    ("openai-2", CHAT),
    ("openai-2", RESPONSES),
    ("anthropic-0", MESSAGES),
    ("anthropic-1", MESSAGES),
]


@pytest.fixture(scope="session")
def told(served: Any) -> Iterator[Told]:
    with side_by_side(lambda name: _run(served, name), sorted({name for name, _ in CALLERS})) as told:
        yield told


def _run(served: Any, name: str) -> dict[str, Any]:
    installed = OLDER / name
    assert installed.is_dir(), f"{installed} is not there: `make test` installs requirements/older-{name}.txt into it"
    sdk, _, major = name.partition("-")
    done = subprocess.run(
        [sys.executable, "-m", "sdk.older.certify", sdk],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{installed}:{REPOSITORY / 'tests'}",
            "AI_URL": served.ai,
            "TOKEN": served.token,
        },
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["version"].split(".")[0] == major
    found: dict[str, Any] = answer["told"]
    return found


@pytest.fixture(params=CALLERS, ids=lambda pair: f"{pair[0]}-{pair[1].name}")
def pair(request: pytest.FixtureRequest) -> tuple[str, Asked]:
    found: tuple[str, Asked] = request.param
    return found


@pytest.fixture
def asked(pair: tuple[str, Asked]) -> Asked:
    return pair[1]


@pytest.fixture
def cell(told: Told, pair: tuple[str, Asked]) -> Cell:
    return lambda name, target: told(pair[0])[pair[1].name][target.id][name]


class TestOlder(Certified):
    pass
