"""Each agent through a whole loop of tools, at its own vendor's models and at others': the file that it was to write,
its last words, and a row for each call.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.callers import (
    AIDER_CHAT,
    AIDER_GEMINI,
    AIDER_MESSAGES,
    CLAUDE,
    CODEX,
    GEMINI,
    OPENCODE_CHAT,
    OPENCODE_MESSAGES,
    OPENCODE_RESPONSES,
    Agent,
)
from agents.place import Place

GPT, OLDER_GPT = "openai/gpt-5.5", "openai/gpt-4o"
OPUS, SONNET, HAIKU = "anthropic/claude-opus-4.8", "anthropic/claude-sonnet-4.5", "anthropic/claude-haiku-4.5"
GEMINI_3, GEMINI_2 = "google/gemini-3-flash-preview", "google/gemini-2.5-flash"

CELLS = [
    *((CLAUDE, model) for model in (OPUS, SONNET, HAIKU, GPT, OLDER_GPT, GEMINI_3, GEMINI_2)),
    *((CODEX, model) for model in (GPT, OPUS, SONNET, GEMINI_3, GEMINI_2)),
    *((GEMINI, model) for model in (GEMINI_3, GEMINI_2, GPT, OLDER_GPT, OPUS, SONNET)),
    *((OPENCODE_CHAT, model) for model in (OLDER_GPT, OPUS, SONNET, GEMINI_3, GEMINI_2)),
    *((OPENCODE_RESPONSES, model) for model in (GPT, OPUS, GEMINI_3)),
    *((OPENCODE_MESSAGES, model) for model in (OPUS, SONNET, GPT, GEMINI_3)),
    *((AIDER_CHAT, model) for model in (GPT, OLDER_GPT, OPUS, SONNET, GEMINI_3)),
    *((AIDER_MESSAGES, model) for model in (SONNET, GPT, GEMINI_2)),
    (AIDER_GEMINI, GEMINI_2),
]
# At the short addresses a bare name is the vendor's own.
SHORT_CELLS = [
    *((CLAUDE, model) for model in ("claude-opus-4-8", GPT)),
    *((CODEX, model) for model in ("gpt-5.5", OPUS)),
    *((GEMINI, model) for model in ("gemini-2.5-flash", OPUS)),
    *((OPENCODE_CHAT, model) for model in ("gpt-4o", SONNET)),
    *((OPENCODE_RESPONSES, model) for model in ("gpt-5.5",)),
    *((OPENCODE_MESSAGES, model) for model in ("claude-sonnet-4-5", GEMINI_3)),
    *((AIDER_CHAT, model) for model in ("gpt-4o", GEMINI_2)),
]
LAST = "It is written and changed."


def named(cells: list[tuple[Agent, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("agent", "model"), cells, ids=[f"{agent.name}-{model}" for agent, model in cells])


def is_logged_as(row: dict[str, object], model: str) -> bool:
    """A row has the provider's own slug and spelling of the model."""
    author, _, name = model.rpartition("/")
    provider = {"google": "google-ai-studio"}.get(author, author) or str(row["provider"])
    spelled = str(row["model"]).replace(".", "-")
    return row["provider"] == provider and spelled == f"{provider}/{name}".replace(".", "-")


@named(CELLS)
async def test_a_file_is_written_and_changed(agent: Agent, model: str, place: Place) -> None:
    await run_to_the_end(agent, model, place)


@named(SHORT_CELLS)
async def test_the_short_address(agent: Agent, model: str, place: Place) -> None:
    await run_to_the_end(agent, model, replace(place, short=True))


async def run_to_the_end(agent: Agent, model: str, place: Place) -> None:
    file = place.project / "hello.txt"
    steps = agent.writes(model, file, LAST)
    ran = await agent.run(place, model, steps)
    assert ran.code == 0, ran
    assert file.read_text() == "Goodbye.\n", ran
    assert LAST in ran.said.splitlines(), ran
    rows = await place.gateway.rows()
    assert len(rows) == len(steps) + agent.asides, rows
    for row in rows:
        assert row["success"] and row["status_code"] == 200 and row["end"] == "completed", row
        assert is_logged_as(row, model), row
        assert row["tokens_in"] > 0 and row["tokens_out"] > 0, row
    assert agent.calls_out or not place.closed.asked_for


CODING = {
    "id": "coding",
    "collect_logs": True,
    "cache_invalidate_on_update": False,
    "cache_ttl": None,
    "rate_limiting_interval": None,
    "rate_limiting_limit": None,
}


@pytest.mark.parametrize(
    ("agent", "model"),
    [(CLAUDE, OPUS), (CODEX, GPT), (GEMINI, GEMINI_2), (OPENCODE_CHAT, SONNET), (AIDER_CHAT, OLDER_GPT)],
    ids=lambda value: getattr(value, "name", None),
)
async def test_a_gateway_is_chosen_and_metadata_attached(agent: Agent, model: str, place: Place) -> None:
    made = await place.gateway.manage("POST", "gateways", CODING)
    assert made.status_code == 200, made.text
    steps = agent.writes(model, place.project / "hello.txt", LAST)
    headers = {"cf-aig-gateway-id": "coding", "cf-aig-metadata": '{"team": "red"}'}
    ran = await agent.run(place, model, steps, headers)
    assert ran.code == 0, ran
    rows = await place.gateway.rows("coding")
    assert len(rows) == len(steps) + agent.asides, rows
    assert {str(row["metadata"]) for row in rows} == {'{"team":"red"}'}
