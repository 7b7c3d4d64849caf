"""The path of a call, whole and streamed, between each pair of dialects, and the row that it leaves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

MODELS = ["openai/gpt-4o", "anthropic/claude-haiku-4.5"]
TEXT = "echo: Grüße, 世界 — done"
SAID = "Grüße, 世界 — done"

BODIES: dict[str, dict[str, Any]] = {
    "v1/chat/completions": {"messages": [{"role": "user", "content": TEXT}], "max_tokens": 100},
    "v1/responses": {"input": TEXT, "max_output_tokens": 100},
    "v1/messages": {"messages": [{"role": "user", "content": TEXT}], "max_tokens": 100},
}


def said(path: str, answer: dict[str, Any]) -> str:
    if path.endswith("chat/completions"):
        return answer["choices"][0]["message"]["content"]
    if path.endswith("responses"):
        return "".join(part["text"] for item in answer["output"] for part in item["content"])
    return "".join(block["text"] for block in answer["content"])


def streamed(path: str, text: str) -> str:
    events = [msgspec.json.decode(line[6:]) for line in text.split("\n") if line.startswith("data: {")]
    if path.endswith("chat/completions"):
        assert text.endswith("data: [DONE]\n\n")
        return "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])
    kind = "response.output_text.delta" if path.endswith("responses") else "content_block_delta"
    deltas = [event["delta"] for event in events if event["type"] == kind]
    return "".join(delta if isinstance(delta, str) else delta["text"] for delta in deltas)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", BODIES)
async def test_each_dialect_reaches_each_provider(gateway: Any, path: str, model: str, stream: bool) -> None:
    answer = await gateway.post(path, {**BODIES[path], "model": model, "stream": stream})
    assert answer.status_code == 200, answer.text
    heard = streamed(path, answer.text) if stream else said(path, answer.json())
    assert heard == SAID
    row = await gateway.row()
    assert row["id"] == answer.headers["cf-aig-log-id"]
    assert (row["status_code"], row["success"], row["provider"]) == (200, True, model.split("/")[0])
    assert row["tokens_in"] > 0 and row["tokens_out"] > 0
