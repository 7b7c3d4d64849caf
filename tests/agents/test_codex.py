"""What only Codex sends: its tools of several kinds, and thinking that comes back encrypted."""

from __future__ import annotations

from agents.callers import CODEX
from agents.place import Place
from isthmus.simulator import Simulator

GPT, OPUS = "openai/gpt-5.5", "anthropic/claude-opus-4.8"
LAST = "It is written and changed."


async def test_its_tools_and_its_thinking_reach_openai(place: Place, simulator: Simulator) -> None:
    ran = await CODEX.run(place, GPT, CODEX.writes(GPT, place.project / "hello.txt", LAST))
    assert ran.code == 0, ran
    first, *_, last = [request.json() for request in simulator.requests]
    assert {"function", "custom", "tool_search", "web_search"} <= {tool["type"] for tool in first["tools"]}
    (patch,) = [tool for tool in first["tools"] if tool["type"] == "custom"]
    assert patch["name"] == "apply_patch" and patch["format"]["syntax"] == "lark"
    assert first["store"] is False and first["include"] == ["reasoning.encrypted_content"]
    kinds = [item["type"] for item in last["input"]]
    assert kinds.count("custom_tool_call") == kinds.count("custom_tool_call_output") == 2
    thought = [item for item in last["input"] if item["type"] == "reasoning"]
    assert len(thought) == 3 and all(item["encrypted_content"] for item in thought)


async def test_what_claude_thought_comes_back_to_claude(place: Place, simulator: Simulator) -> None:
    """Anthropic refuses a tool's result behind thinking that is not the one that it signed."""
    ran = await CODEX.run(place, OPUS, CODEX.writes(OPUS, place.project / "hello.txt", LAST))
    assert ran.code == 0, ran
    last = simulator.requests[-1].json()
    blocks = [block["type"] for turn in last["messages"] for block in turn["content"]]
    assert blocks.count("thinking") == blocks.count("tool_use") == blocks.count("tool_result") == 3
    rows = await place.gateway.rows()
    lost = {note["field"] for row in rows for note in row["notes"] if note["fate"] == "lost"}
    assert lost <= {"client_metadata", "prompt_cache_key", "tools.namespace", "verbosity"}, lost
