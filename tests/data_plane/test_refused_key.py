"""A provider that refuses the installation's own key: the operator's matter, whatever status says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

KEYS = '{"accessKeyId":"%s","secretAccessKey":"%s","region":"us-east-1"}'
KNOWN = "AKIAIOSFODNN7EXAMPLE"
CLAUDE = "aws-bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.mark.parametrize("keys", [KEYS % (KNOWN, "wrong"), KEYS % ("AKIAUNKNOWN000000000", "wrong")])
async def test_amazon_says_it_with_403(start_gateway: Any, simulator: Any, tmp_path: Path, keys: str) -> None:
    (tmp_path / "aws").write_text(keys)
    config = tmp_path / "aws.toml"
    config.write_text(
        f'[providers.aws-bedrock]\nbase_url = "{simulator.base_url}/"\nallow_private_address = true\n'
        f'credential = "file:{tmp_path / "aws"}"\n'
    )
    gateway = await start_gateway(config_file=str(config))
    asked = {"model": CLAUDE, "messages": [{"role": "user", "content": "hi"}]}
    answer = await gateway.post("v1/chat/completions", asked)
    assert answer.status_code == 503 and answer.json()["errors"][0]["code"] == 2005
    assert "signature" not in answer.text and "AKIA" not in answer.text
    assert (await gateway.row())["status_code"] == 503
