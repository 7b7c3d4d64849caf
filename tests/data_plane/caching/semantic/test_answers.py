"""Answers to other words, through a running gateway with the real model: what is found, what is not, what is told of
it, and the checks in the shadow.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from conftest import Gateway
from isthmus.app import start
from isthmus.local.embedding import NAME
from isthmus.settings import Settings
from isthmus.simulator import Simulator

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE = "How do I reset my password?"
OTHER = "Please tell me how to reset my password"
NEAR_MISS = "How do I reset my router?"
CHAT = "v1/chat/completions"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """One for all of these tests: each has a gateway id of its own."""
    directory = tmp_path_factory.mktemp("semantic")
    config = directory / "isthmus.toml"
    config.write_text(
        f'[providers.openai]\nbase_url = "{simulator.openai_url}"\nallow_private_address = true\n'
        f'[providers.anthropic]\nbase_url = "{simulator.anthropic_url}"\nallow_private_address = true\n'
    )
    settings = Settings(port=0, data_directory=str(directory / "data"), config_file=str(config), drain_seconds=1.0)
    running = await start(settings, {"OPENAI_API_KEY": "sk-openai-test", "ANTHROPIC_API_KEY": "sk-ant-test"})
    async with httpx.AsyncClient(base_url=running.base_url, timeout=30) as client:
        gateway = Gateway(running, client)
        for _ in range(20):  # until the model is there: a look does not wait for its start
            found = await gateway.post("v1/embeddings", {"model": NAME, "input": "a"})
            if found.status_code == 200:
                break
        yield gateway
    await running.aclose()


async def made(gateway: Gateway, name: str, *, limit: int = 0, **semantic: Any) -> Place:
    settings = {
        "id": name,
        "cache_invalidate_on_update": False,
        "cache_ttl": 600,
        "collect_logs": True,
        "rate_limiting_interval": 3600 if limit else 0,
        "rate_limiting_limit": limit,
        "semantic_cache": {"enabled": True, "threshold": 0.9, **semantic},
    }
    answer = await gateway.manage("POST", "gateways", settings)
    assert answer.status_code == 200, answer.text
    assert not any("semantic" in told["message"] for told in answer.json()["messages"])
    return Place(gateway, name)


class Place:
    """One of the gateway's gateways, and what is said to it."""

    def __init__(self, gateway: Gateway, name: str) -> None:
        self.gateway = gateway
        self.name = name

    async def ask(
        self, text: Any, *, headers: dict[str, str] | None = None, path: str = CHAT, **more: Any
    ) -> httpx.Response:
        body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": text}], **more}
        return await self.post(body, headers=headers, path=path)

    async def post(self, body: Any, *, headers: dict[str, str] | None = None, path: str = CHAT) -> httpx.Response:
        answer = await self.gateway.post(path, body, headers={"cf-aig-gateway-id": self.name, **(headers or {})})
        assert answer.status_code == 200, answer.text
        return answer

    async def sent(self, text: str) -> httpx.Response:
        """Whatever becomes of it."""
        body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": text}]}
        return await self.gateway.post(CHAT, body, headers={"cf-aig-gateway-id": self.name})

    async def figures(self) -> dict[str, Any]:
        answer = await self.gateway.manage("GET", f"gateways/{self.name}/cache")
        figures: dict[str, Any] = answer.json()["result"]["semantic"]
        return figures

    async def rows(self) -> list[dict[str, Any]]:
        return await self.gateway.rows(self.name)


def status(answer: httpx.Response) -> str:
    return answer.headers["cf-aig-cache-status"]


def said(answer: httpx.Response) -> str:
    if answer.headers["content-type"].startswith("text/event-stream"):
        events = [msgspec.json.decode(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    body = answer.json()
    text: str = body["content"][0]["text"] if "content" in body else body["choices"][0]["message"]["content"]
    return text


async def test_other_words_have_the_same_answer(gateway: Gateway, simulator: Simulator) -> None:
    place = await made(gateway, "found")
    first = await place.ask(ONE)
    asked = len(simulator.requests)
    again = await place.ask(OTHER)
    assert (status(first), status(again)) == ("MISS", "SEMANTIC")
    assert said(again) == said(first) and len(simulator.requests) == asked
    score = again.headers["cf-aig-cache-score"]
    assert 0.9 <= float(score) < 1 and len(score) == 5
    assert "cf-aig-cache-score" not in first.headers and "age" in again.headers
    newest, before = await place.rows()
    assert (newest["cached"], before["cached"]) == (True, False)
    figures = await place.figures()
    assert (figures["hits"], figures["misses"], figures["vectors"]) == (1, 1, 1)
    assert (figures["checked"], figures["error_rate"], figures["threshold_for_1_percent"]) == (0, None, None)
    # it is no entry of its own: the next one is found by its meaning again
    assert status(await place.ask(OTHER)) == "SEMANTIC"


async def test_near_misses_are_asked(gateway: Gateway) -> None:
    place = await made(gateway, "missed", threshold=0.5)
    await place.ask(ONE)
    assert status(await place.ask(NEAR_MISS)) == "MISS"
    assert status(await place.ask("How do I reset your password?")) == "MISS"
    strict = await made(gateway, "strict", threshold=1)
    await strict.ask(ONE)
    assert status(await strict.ask(OTHER)) == "MISS"


async def test_whole_streamed_and_across_dialects(gateway: Gateway) -> None:
    place = await made(gateway, "forms")
    first = await place.ask(ONE, stream=True)
    streamed, whole = await place.ask(OTHER, stream=True), await place.ask("How can I reset my password")
    assert status(streamed) == status(whole) == "SEMANTIC"
    assert said(first) == said(streamed) == said(whole)
    messages = {
        "model": "anthropic/claude-sonnet-4-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": ONE}],
    }
    first = await place.post(messages, path="v1/messages")
    chat = {**messages, "messages": [{"role": "user", "content": OTHER}]}
    other = await place.post(chat)
    assert status(first) == "MISS" and status(other) == "SEMANTIC" and said(first) == said(other)


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
OTHERS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.5},
    "tools": {"tools": [TOOL]},
    "model": {"model": "openai/gpt-4o-mini"},
    "key of its own": {"headers": {"cf-aig-cache-key": "mine"}},
    "skipped": {"headers": {"cf-aig-skip-cache": "true"}},
    "metadata": {"text": "How can I reset my password", "headers": {"cf-aig-metadata": '{"tenant":"b","trace":"1"}'}},
    "a part that is no text": {"text": [{"type": "text", "text": OTHER}, {"type": "text", "text": " "}]},
}


async def test_all_else_must_be_equal(gateway: Gateway) -> None:
    place = await made(gateway, "else", metadata=["tenant"])
    tenant = {"cf-aig-metadata": '{"tenant":"a","trace":"2"}'}
    await place.ask(ONE, headers=tenant)
    for name, other in OTHERS.items():
        other = {"text": OTHER, "headers": tenant, **other}
        assert status(await place.ask(**other)) == "MISS", name
    system = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": OTHER}]}
    assert status(await place.post({"model": "openai/gpt-4o", **system}, headers=tenant)) == "MISS"
    another = await made(gateway, "another")
    assert status(await another.ask(OTHER, headers=tenant)) == "MISS"
    traced = {"cf-aig-metadata": '{"tenant":"a","trace":"3"}'}
    assert status(await place.ask("How should I reset my password?", headers=traced)) == "SEMANTIC"


async def test_what_was_purged_is_not_found(gateway: Gateway) -> None:
    place = await made(gateway, "purged")
    await place.ask(ONE)
    purged = await gateway.manage("POST", "gateways/purged/cache/purge", {"purge_everything": True})
    assert purged.status_code == 200
    assert status(await place.ask(OTHER)) == "MISS"
    assert (await place.figures())["vectors"] == 1


async def test_the_key_that_is_told_is_the_one_to_purge(gateway: Gateway) -> None:
    place = await made(gateway, "told")
    await place.ask(ONE)
    found = await place.ask(OTHER)
    keys = {"keys": [found.headers["cf-aig-cache-key"]]}
    purged = await gateway.manage("POST", "gateways/told/cache/purge", keys)
    assert (status(found), purged.json()["result"]) == ("SEMANTIC", {"purged": 1})
    assert status(await place.ask(OTHER)) == "MISS"


async def test_calls_at_a_time_share_one_look(gateway: Gateway) -> None:
    place = await made(gateway, "together")
    first = await place.ask(ONE)
    answers = await asyncio.gather(*(place.ask(OTHER) for _ in range(5)))
    assert {status(answer) for answer in answers} == {"SEMANTIC"}
    assert {said(answer) for answer in answers} == {said(first)}
    assert all(answer.headers["cf-aig-cache-score"] for answer in answers)


async def test_a_tool_call_is_no_answer_to_other_words(gateway: Gateway) -> None:
    place = await made(gateway, "tools")
    calls = await place.ask("call look", tools=[TOOL], tool_choice="required")
    assert calls.json()["choices"][0]["finish_reason"] == "tool_calls"
    assert (await place.figures())["vectors"] == 0


async def test_checks_in_the_shadow(gateway: Gateway) -> None:
    """The simulator answers other words otherwise, but where it is told what to say."""
    place = await made(gateway, "shadow", shadow_share=1)
    for one, other in (
        (ONE, OTHER),
        ("How do I greet people? echo: hello", "Please tell me how to greet people? echo: hello"),
    ):
        before = (await place.figures())["checked"]
        await place.ask(one)
        assert status(await place.ask(other, stream=before == 0)) == "SEMANTIC"
        while (await place.figures())["checked"] == before:
            await asyncio.sleep(0.02)
    figures = await place.figures()
    assert (figures["checked"], figures["wrong"], figures["error_rate"]) == (2, 1, 0.5)
    rows = await place.rows()
    assert len(rows) == 6 and len({row["id"] for row in rows}) == 6
    shadows = [row for row in rows if "isthmus-shadow-of" in (row.get("metadata", ""))]
    checked = {msgspec.json.decode(row["metadata"])["isthmus-shadow-of"] for row in shadows}
    assert checked == {row["id"] for row in rows if row["cached"]}
    assert all(row["success"] and not row["cached"] and row["tokens_out"] for row in shadows)


async def test_a_hit_takes_nothing_of_a_limit_and_a_check_does(gateway: Gateway) -> None:
    place = await made(gateway, "limited", limit=2)
    await place.ask(ONE)
    for _ in range(3):
        assert status(await place.ask(OTHER)) == "SEMANTIC"
    assert status(await place.ask(NEAR_MISS)) == "MISS"
    assert (await place.sent("How do I reset my phone?")).status_code == 429
    checked = await made(gateway, "checked", limit=1, shadow_share=1)
    await checked.ask(ONE)
    assert status(await checked.ask(OTHER)) == "SEMANTIC"
    while len(rows := await checked.rows()) < 3:
        await asyncio.sleep(0.02)
    assert [row["status_code"] for row in rows] == [429, 200, 200] and (await checked.figures())["checked"] == 0


async def test_on_the_gateway_host(gateway: Gateway) -> None:
    """`compat` and its steps meet the main path; a provider's own path passes unread."""
    place = await made(gateway, "host", shadow_share=1)
    first = await place.ask(ONE)
    host = f"/v1/{gateway.running.account_id}/host"
    body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": OTHER}]}
    headers = {"cf-aig-authorization": gateway.headers["authorization"]}
    compat = await gateway.client.post(f"{host}/compat/chat/completions", json=body, headers=headers)
    step = {"provider": "compat", "endpoint": "chat/completions", "headers": {}, "query": body}
    universal = await gateway.client.post(host, json=[step], headers=headers)
    for answer in (compat, universal):
        assert answer.status_code == 200 and status(answer) == "SEMANTIC" and said(answer) == said(first)
    own = {**body, "model": "gpt-4o"}
    native = await gateway.client.post(f"{host}/openai/chat/completions", json=own, headers=headers)
    assert native.status_code == 200 and status(native) == "MISS"
    while (await place.figures())["checked"] < 2:
        await asyncio.sleep(0.02)


async def test_what_is_no_question_goes_on(gateway: Gateway) -> None:
    await made(gateway, "vectors")
    headers = {"cf-aig-gateway-id": "vectors"}
    vectors = {"model": "openai/text-embedding-3-small", "input": ONE}
    assert (await gateway.post("v1/embeddings", vectors, headers=headers)).status_code == 200
    text = {"model": "openai/gpt-3.5-turbo-instruct", "prompt": ONE}
    assert (await gateway.post("v1/completions", text, headers=headers)).status_code == 200


async def test_without_the_model_calls_go_on(gateway: Gateway) -> None:
    place = await made(gateway, "without")
    await place.ask(ONE)
    (worker,) = children("isthmus.local.embedding_worker")
    os.kill(worker, signal.SIGSTOP)  # it is there, and says nothing
    try:
        assert status(await place.ask(OTHER)) == "MISS"
        before = asyncio.get_running_loop().time()
        assert status(await place.ask("How should I reset my password?")) == "MISS"
        assert asyncio.get_running_loop().time() - before < 1, "it was waited for again"
    finally:
        os.kill(worker, signal.SIGCONT)


def children(module: str) -> list[int]:
    """Our own processes that run it."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid() and module in (directory / "cmdline").read_text():
                    found.append(int(directory.name))
            except (OSError, ValueError):
                continue
    return found
