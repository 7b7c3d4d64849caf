"""OpenAI's JavaScript SDK on text completions, at models that speak them and at others."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from sdk.js.test_javascript import RUN_SECONDS, installed  # noqa: F401 - a fixture
from sdk.targets import LOCAL, PROVIDED

MODELS = ["openai/gpt-3.5-turbo-instruct", LOCAL, *(target.model for target in PROVIDED)]


def test_whole_and_streamed(installed: Path, served: Any) -> None:  # noqa: F811
    done = subprocess.run(
        ["node", "completions.mjs", json.dumps(MODELS)],
        cwd=installed,
        env={"PATH": os.environ["PATH"], "AI_URL": served.ai, "TOKEN": served.token},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for model in MODELS:
        whole, streamed, refused = (told[model][name] for name in ("whole", "streamed", "refused"))
        (choice,) = whole["choices"]
        assert whole["object"] == "text_completion"
        assert "Paris" in choice["text"] and choice["finish_reason"] == "stop", model
        assert "Paris" in streamed["text"] and streamed["endings"] == ["stop"], model
        for usage in (whole["usage"], streamed["usage"]):
            assert 0 < usage["completion_tokens"] <= 30 and usage["prompt_tokens"] > 0, model
        assert refused == {"kind": "BadRequestError", "status": 400}, model
