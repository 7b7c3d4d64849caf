"""What agents make of a provider that fails: one that is busy for a moment, one that is down, one that stops in the
middle. The gateway adds no call of its own, and keeps none of it from the agent.
"""

from __future__ import annotations

import pytest

from agents.callers import AIDER_CHAT, CLAUDE, CODEX, GEMINI, OPENCODE_CHAT, Agent
from agents.place import Place
from isthmus.simulator import Fault, Simulator
from isthmus.simulator.recorded import RecordedRequest

LAST = "It is written and changed."
MODELS = {
    CLAUDE: "anthropic/claude-opus-4.8",
    CODEX: "openai/gpt-5.5",
    GEMINI: "google/gemini-2.5-flash",
    OPENCODE_CHAT: "anthropic/claude-sonnet-4.5",
    AIDER_CHAT: "openai/gpt-4o",
}
each_agent = pytest.mark.parametrize("agent", MODELS, ids=lambda agent: agent.name)
# How often each asks for one answer that never comes: Claude Code, Codex and gemini-cli as they are told to here,
# opencode 1.18 six times with its question for a title beside it, aider nine times through an SDK that tries thrice.
MOST_CALLS = {CLAUDE: 3, CODEX: 6, GEMINI: 2, OPENCODE_CHAT: 9, AIDER_CHAT: 27}
FEWER: dict[Agent, dict[str, str]] = {CLAUDE: {"CLAUDE_CODE_MAX_RETRIES": "2"}}


class Once:
    """The first request that has a script to follow, and no other."""

    def __init__(self) -> None:
        self.was = False

    def __call__(self, request: RecordedRequest) -> bool:
        first = not self.was and b'script: [{\\"' in request.body
        self.was = self.was or first
        return first


async def finishes(agent: Agent, place: Place) -> list[dict[str, object]]:
    """The rows of calls that failed, where the agent got to its end all the same."""
    file = place.project / "hello.txt"
    ran = await agent.run(place, MODELS[agent], agent.writes(MODELS[agent], file, LAST))
    assert ran.code == 0, ran
    assert file.read_text() == "Goodbye.\n", ran
    assert LAST in ran.said.splitlines(), ran
    return [row for row in await place.gateway.rows() if not row["success"]]


@each_agent
async def test_a_provider_that_is_busy_for_a_moment(agent: Agent, place: Place, simulator: Simulator) -> None:
    simulator.on(Once(), Fault(status=429, retry_after=1))
    (row,) = await finishes(agent, place)
    assert (row["status_code"], row["end"]) == (429, "provider_error")


@each_agent
async def test_an_answer_that_stops_in_the_middle(agent: Agent, place: Place, simulator: Simulator) -> None:
    simulator.on(Once(), Fault(cut_after=2))
    (row,) = await finishes(agent, place)
    assert (row["status_code"], row["end"]) == (200, "interrupted")


@each_agent
async def test_a_provider_that_is_down(agent: Agent, place: Place, simulator: Simulator) -> None:
    asked = "[[sim: fault=503]] Say hello."
    ran = await agent.ask(place, MODELS[agent], asked, {}, FEWER.get(agent, {}))
    told = f"{ran.said}{ran.told}".lower()
    assert "503" in told or "overloaded" in told or "unavailable" in told, ran
    assert agent is AIDER_CHAT or ran.code != 0, ran
    rows = await place.gateway.rows()
    assert {row["status_code"] for row in rows} == {503}
    assert len(rows) == len(simulator.requests) <= MOST_CALLS[agent]
