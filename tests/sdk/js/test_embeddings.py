"""Vectors by the official JavaScript SDKs, at the local model and at providers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sdk.js.test_javascript import RUN_SECONDS, installed

__all__ = ["installed"]

SIZES = {
    "@cf/intfloat/multilingual-e5-small": 384,
    "openai/text-embedding-3-small": 1536,
    "lab/text-embedding-3-small": 1536,
    "cohere/embed-v4.0": 1536,
}
TEXTS = ["the cat", "a ship"]


def test_vectors(installed: Path, served: Any) -> None:
    done = subprocess.run(
        ["node", "embeddings.mjs", json.dumps([[*SIZES], TEXTS])],
        cwd=installed,
        env={"PATH": os.environ["PATH"], "AI_URL": served.ai, "TOKEN": served.token},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("refused") == {"status": 400, "param": "input", "name": "BadRequestError"}
    for model, ways in told.items():
        assert set(ways) == {"openai", "floats", "ai"}
        for vectors in ways.values():
            assert [len(vector) for vector in vectors] == [SIZES[model]] * 2
            for one, other in zip(vectors, ways["floats"], strict=True):
                assert one == pytest.approx(other, abs=1e-6)
