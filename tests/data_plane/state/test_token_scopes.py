"""What a token that is bound to gateways or models sees of its account's state: what it could have made, and of all
else no more than of what never was."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from data_plane.state.conftest import ANTHROPIC, OPENAI, OTHER, Stateful
from isthmus.core.account import AI_GATEWAY_RUN, Token, digest
from isthmus.simulator.faults import Fault
from isthmus.storage.open import open_configs

GATEWAY = "cf-aig-gateway-id"
SETTINGS = {
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}
Client = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def client_of(stateful: Stateful, tmp_path: Path) -> AsyncIterator[Client]:
    """A caller with a token of its own; where that is bound to gateways, it names the first of them in each call."""
    running, clients = stateful.running, list[httpx.AsyncClient]()
    root = f"{running.base_url}/client/v4/accounts/{running.account_id}"
    for gateway_id in ("first", "second"):
        answer = await stateful.client.post(f"{root}/ai-gateway/gateways", json={"id": gateway_id, **SETTINGS})
        assert answer.status_code == 200, answer.text

    async def make(**bounds: Any) -> httpx.AsyncClient:
        secret = f"token-of-a-caller-{len(clients)}"
        values: dict[str, Any] = {"id": secret, "name": secret, "digest": digest(secret), "created_at": 1.0}
        storage = await open_configs(f"sqlite:///{tmp_path}/data/isthmus.db")
        await storage.configs.add_token(
            Token(account_id=running.account_id, permissions=(AI_GATEWAY_RUN,), **values, **bounds)
        )
        await storage.aclose()
        headers = {"authorization": f"Bearer {secret}"}
        if bounds.get("gateways"):
            headers[GATEWAY] = bounds["gateways"][0]
        clients.append(httpx.AsyncClient(base_url=f"{root}/ai/v1/", headers=headers, timeout=60, verify=False))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


async def said(client: httpx.AsyncClient, path: str = "responses", **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def tried(client: httpx.AsyncClient, requests: list[tuple[str, str, Any]]) -> list[tuple[int, bytes]]:
    answers = [await client.request(method, path, json=body) for method, path, body in requests]
    return [(answer.status_code, answer.content) for answer in answers]


def every_way(response_id: str, item_id: str, conversation_id: str) -> list[tuple[str, str, Any]]:
    at, conversation = f"responses/{response_id}", f"conversations/{conversation_id}"
    asked = {"model": OPENAI, "input": "and?"}
    reference = {"type": "item_reference", "id": item_id}
    return [
        ("GET", at, None),
        ("GET", f"{at}?stream=true", None),
        ("GET", f"{at}/input_items", None),
        ("POST", f"{at}/cancel", None),
        ("POST", "responses", asked | {"previous_response_id": response_id}),
        ("POST", "responses", asked | {"previous_response_id": response_id, "background": True}),
        ("POST", "responses", asked | {"conversation": conversation_id}),
        ("POST", "responses", asked | {"input": [reference]}),
        ("POST", "responses/input_tokens", asked | {"previous_response_id": response_id}),
        ("POST", "responses/compact", asked | {"previous_response_id": response_id}),
        ("GET", conversation, None),
        ("POST", conversation, {"metadata": {}}),
        ("GET", f"{conversation}/items", None),
        ("POST", f"{conversation}/items", {"items": [{"role": "user", "content": "x"}]}),
        ("GET", f"{conversation}/items/msg_mine", None),
        ("DELETE", f"{conversation}/items/msg_mine", None),
        ("DELETE", conversation, None),
        ("DELETE", at, None),
    ]


async def test_of_another_gateway_it_is_as_what_never_was(stateful: Stateful, client_of: Client) -> None:
    mine, both = await client_of(gateways=("first",)), await client_of(gateways=("second", "first"))
    other = await client_of(gateways=("second",))
    items = [{"id": "msg_mine", "role": "user", "content": "my name is Ada"}]
    conversation = await said(mine, "conversations", items=items)
    first = await said(mine, model=OPENAI, input="echo: one fish", background=True)
    while (await mine.get(f"responses/{first['id']}")).json()["status"] != "completed":
        await asyncio.sleep(0)
    item_id = (await mine.get(f"responses/{first['id']}")).json()["output"][-1]["id"]
    requests = every_way(first["id"], item_id, conversation["id"])
    sent = len(stateful.simulator.requests)
    others = await tried(other, requests)
    assert len(stateful.simulator.requests) == sent
    for client in (mine, both, stateful.client):
        read = await tried(client, [request for request in requests if request[0] == "GET"])
        assert {status for status, _ in read} == {200}
        said_after = [{"type": "item_reference", "id": item_id}]
        await said(client, model=ANTHROPIC, input=said_after, conversation=conversation["id"], store=False)
        assert "Ada" in str(stateful.sent()) and "one fish" in str(stateful.sent())
    assert (await mine.delete(f"responses/{first['id']}")).status_code == 200
    assert (await mine.delete(f"conversations/{conversation['id']}")).status_code == 200
    assert await tried(mine, requests) == others
    assert {status for status, _ in others} == {404}


async def test_nobody_elses_background_is_stopped(stateful: Stateful, client_of: Client) -> None:
    mine, other = await client_of(gateways=("first",)), await client_of(gateways=("second",))
    stateful.simulator.next(Fault(stall_after=3))
    running = await said(mine, model=OPENAI, input="hello", background=True)
    path = f"responses/{running['id']}"
    while (await mine.get(path)).json()["status"] == "queued":
        await asyncio.sleep(0)
    tries = [("POST", f"{path}/cancel", None), ("DELETE", path, None), ("GET", f"{path}?stream=true", None)]
    assert [status for status, _ in await tried(other, tries)] == [404, 404, 404]
    assert (await mine.get(path)).json()["status"] == "in_progress"
    assert (await mine.post(f"{path}/cancel")).json()["status"] == "cancelled"


async def test_a_chain_is_seen_where_all_of_it_is(stateful: Stateful, client_of: Client) -> None:
    other = await client_of(gateways=("second",))
    here = {GATEWAY: "second"}
    conversation = (await stateful.client.post("conversations", json={}, headers={GATEWAY: "first"})).json()
    first = await stateful.create(model=OPENAI, input="echo: one fish")
    for link in ({"previous_response_id": first["id"]}, {"conversation": conversation["id"]}):
        asked = {"model": OPENAI, "input": "and?", **link}
        second = (await stateful.client.post("responses", json=asked, headers=here)).json()
        assert (await other.get(f"responses/{second['id']}")).json() == second
        going_on = {"model": OPENAI, "input": "x", "previous_response_id": second["id"]}
        answer = await other.post("responses", json=going_on)
        assert answer.status_code == 404 and "one fish" not in answer.text


@pytest.mark.parametrize("rule", [OPENAI, "openai/*"])
async def test_a_token_bound_to_models_sees_what_these_have_said(
    stateful: Stateful, client_of: Client, rule: str
) -> None:
    bound = await client_of(models=(rule,))
    theirs = await stateful.create(model=ANTHROPIC, input="echo: one fish")
    after = await stateful.create(model=OPENAI, input="and?", previous_response_id=theirs["id"])
    sound = await stateful.create(model=OPENAI, input="echo: two fish")
    reference = [{"type": "item_reference", "id": theirs["output"][-1]["id"]}]
    refused = await tried(
        bound,
        [
            ("GET", f"responses/{theirs['id']}", None),
            ("DELETE", f"responses/{theirs['id']}", None),
            ("POST", "responses", {"model": OPENAI, "input": "x", "previous_response_id": theirs["id"]}),
            ("POST", "responses", {"model": OPENAI, "input": "x", "previous_response_id": after["id"]}),
            ("POST", "responses", {"model": OPENAI, "input": reference}),
        ],
    )
    assert [status for status, _ in refused] == [404] * 5
    assert (await bound.get(f"responses/{after['id']}")).json() == after
    await said(bound, model=OPENAI, input="x", previous_response_id=sound["id"])
    mine = await said(bound, model=OPENAI, input="echo: three fish", background=True)
    while (found := await bound.get(f"responses/{mine['id']}")).json()["status"] != "completed":
        assert found.status_code == 200
    conversation = (await stateful.client.post("conversations", json={})).json()
    await stateful.create(model=ANTHROPIC, input="echo: four fish", conversation=conversation["id"])
    assert "four fish" in (await bound.get(f"conversations/{conversation['id']}/items")).text


async def test_a_model_that_may_not_be_asked_is_refused_before_it_is_queued(
    stateful: Stateful, client_of: Client
) -> None:
    bound = await client_of(models=("openai/*",))
    for model, status in ((ANTHROPIC, 403), ("nobody/has-it", 404)):
        answer = await bound.post("responses", json={"model": model, "input": "x", "background": True})
        assert answer.status_code == status, answer.text


async def test_whose_a_conversation_is(stateful: Stateful, client_of: Client, tmp_path: Path) -> None:
    first, both = await client_of(gateways=("first",)), await client_of(gateways=("first", "second"))
    second = await client_of(gateways=("second",))
    del first.headers[GATEWAY], both.headers[GATEWAY]

    async def made(client: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
        answer = await client.post("conversations", json={}, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def seen(client: httpx.AsyncClient, conversation: dict[str, Any]) -> bool:
        return (await client.get(f"conversations/{conversation['id']}")).status_code == 200

    named = await made(stateful.client, **{GATEWAY: "second"})
    assert [await seen(client, named) for client in (first, second, both)] == [False, True, True]
    own = await made(first)
    assert [await seen(client, own) for client in (first, second, both)] == [True, False, True]
    default = await made(stateful.client)
    assert [await seen(client, default) for client in (first, second, both)] == [False, False, False]
    assert (await both.post("conversations", json={})).status_code == 401
    assert (await first.post("conversations", json={}, headers={GATEWAY: "second"})).status_code == 401
    answer = await stateful.client.post("conversations", json={}, headers={GATEWAY: "nowhere"})
    assert answer.status_code == 400 and "no gateway 'nowhere'" in answer.text
    await made(stateful.other)
    with sqlite3.connect(tmp_path / "data" / "isthmus.db") as database:
        assert database.execute("SELECT COUNT(*) FROM gateways WHERE account_id = ?", (OTHER,)).fetchone() == (0,)
    database.close()
