"""The official JavaScript SDKs, as Node.js runs them. What they need is installed once, as their lock file says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

LOCAL = "@cf/huggingface/smollm2-135m-instruct"
JS = Path(__file__).parent / "js"
INSTALL_SECONDS = 600
RUN_SECONDS = 120


@pytest.fixture(scope="session")
def installed() -> Path:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not here")
    lock, done = JS / "package-lock.json", JS / "node_modules" / ".package-lock.json"
    if not done.is_file() or done.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=JS, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    return JS


def run(installed: Path, served: Any, script: str, *models: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", script, *models],
        cwd=installed,
        env={"PATH": os.environ["PATH"], "AI_URL": served.ai, "TOKEN": served.token},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def check(told: dict[str, Any], model: str) -> None:
    assert told["tool"]["name"] == "get_weather" and isinstance(told["tool"]["city"], str)
    for name in ("whole", "streamed", "after"):
        assert told[name], name
    if model != LOCAL:
        assert told["whole"] == told["streamed"] == "It is Paris."
        assert told["tool"]["city"] == "Paris" and "18 degrees" in told["after"]


def test_openai(installed: Path, served: Any) -> None:
    models = (LOCAL, "openai/gpt-4o", "anthropic/claude-haiku-4.5")
    told = run(installed, served, "openai.mjs", *models)
    assert told.pop("error") == {"kind": "NotFoundError", "code": "7003"}
    assert set(told) == set(models)
    for model in models:
        check(told[model], model)
        assert told[model]["usage"]["completion_tokens"] > 0
        assert told[model]["response"] and told[model]["last"] in ("response.completed", "response.incomplete")


def test_anthropic(installed: Path, served: Any) -> None:
    models = (LOCAL, "anthropic/claude-haiku-4.5", "openai/gpt-4o")
    told = run(installed, served, "anthropic.mjs", *models)
    assert told.pop("error") == {"kind": "NotFoundError", "code": 7003}
    assert set(told) == set(models)
    for model in models:
        check(told[model], model)
        assert told[model]["usage"]["output_tokens"] > 0 and told[model]["stop_reason"]
