"""What only Claude Code does: two ways of showing its token, the gateway's list of models, `/context` with its many
counts at once.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from agents.callers import CLAUDE
from agents.place import Place
from isthmus.simulator import Simulator

OPUS, GPT = "anthropic/claude-opus-4.8", "openai/gpt-5.5"
SAID = "Hello from behind the gateway."


async def says(place: Place, model: str = OPUS, **more: str) -> None:
    ran = await CLAUDE.ask(place, model, f"echo: {SAID}", {}, more)
    assert (ran.code, ran.said.strip()) == (0, SAID), ran
    (row,) = await place.gateway.rows()
    assert row["success"] and row["tokens_in"] > 1000


async def test_a_token_as_an_api_key(place: Place, simulator: Simulator) -> None:
    """It goes in `x-api-key`, and no further than the gateway."""
    await says(place, ANTHROPIC_AUTH_TOKEN="", ANTHROPIC_API_KEY=place.token)
    (request,) = simulator.requests
    assert place.token.encode() not in b"".join(value for _, value in request.headers)


async def test_a_wrong_token_is_said_to_be_one(place: Place, simulator: Simulator) -> None:
    """It tries a refused token ten times of its own accord."""
    wrong = {"ANTHROPIC_AUTH_TOKEN": "wrong", "CLAUDE_CODE_MAX_RETRIES": "1"}
    ran = await CLAUDE.ask(place, OPUS, "Say hello.", {}, wrong)
    assert ran.code != 0 and "401" in ran.said + ran.told, ran
    assert not simulator.requests


@pytest.mark.parametrize("short", [False, True], ids=["account", "short"])
async def test_it_finds_the_gateways_models(place: Place, short: bool) -> None:
    await says(replace(place, short=short), CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY="1")
    found = json.loads((place.home / ".claude" / "cache" / "gateway-models.json").read_text())
    names = {model["id"] for model in found["models"]}
    assert any("claude-opus-4" in name for name in names), names


@pytest.mark.parametrize("model", [OPUS, GPT])
async def test_it_sees_what_its_context_holds(place: Place, model: str, simulator: Simulator) -> None:
    """Some 15 to 40 counts at once, which are its provider's own."""
    ran = await CLAUDE.ask(place, model, "/context", {}, {})
    assert ran.code == 0, ran
    assert "Context Usage" in ran.said and "System prompt" in ran.said, ran
    counted = {(request.path, request.status) for request in simulator.requests}
    assert counted == {("/v1/messages/count_tokens" if model == OPUS else "/v1/responses/input_tokens", 200)}


async def test_what_it_sends_reaches_anthropic(place: Place, simulator: Simulator) -> None:
    await says(place)
    (request,) = simulator.requests
    body = request.json()
    assert body["model"] == "claude-opus-4-8"
    assert body["context_management"]["edits"] and body["thinking"]["type"] == "adaptive"
    betas = request.header("anthropic-beta") or ""
    assert {"context-management-2025-06-27", "interleaved-thinking-2025-05-14"} <= set(betas.split(",")), betas
