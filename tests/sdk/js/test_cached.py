"""Kept answers in the official JavaScript SDKs: what they make of one is what they made of the first."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from sdk.js.test_javascript import RUN_SECONDS, installed  # noqa: F401 - a fixture

GATEWAY = "cached-js"
MODELS = ["openai/gpt-4o", "anthropic/claude-haiku-4.5", "google/gemini-2.5-flash"]


def test_kept_answers_are_the_first_ones(installed: Path, served: Any) -> None:  # noqa: F811
    settings = {
        "id": GATEWAY,
        "cache_invalidate_on_update": False,
        "cache_ttl": 600,
        "collect_logs": True,
        "rate_limiting_interval": 0,
        "rate_limiting_limit": 0,
    }
    address = f"{served.url}/client/v4/accounts/{served.account}/ai-gateway/gateways"
    assert served.client.post(address, json=settings).status_code == 200
    done = subprocess.run(
        ["node", "cached.mjs", json.dumps(MODELS)],
        cwd=installed,
        env={"PATH": os.environ["PATH"], "AI_URL": served.ai, "TOKEN": served.token, "GATEWAY": GATEWAY},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for each in told:
        first, *kept = each["answers"]
        assert first["text"] or first["calls"] == [{"name": "get_weather", "given": {"city": "Paris"}}]
        assert kept == [first, first], each
    questions = len(told)
    assert questions == 3 * len(MODELS) * 2 * 2
    for cached, count in (("true", 2 * questions), ("false", questions)):
        found = served.client.get(f"{address}/{GATEWAY}/logs?per_page=1&cached={cached}").json()
        assert found["result_info"]["total_count"] == count
