"""Conversations: made, filled by hand and by turns, read, and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from data_plane.state.conftest import ANTHROPIC, OPENAI, Stateful


async def made(stateful: Stateful, **body: Any) -> dict[str, Any]:
    answer = await stateful.client.post("conversations", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def texts(stateful: Stateful, conversation_id: str) -> list[str]:
    items = await stateful.get(f"conversations/{conversation_id}/items?order=asc&limit=100")
    return [item["content"][0]["text"] for item in items["data"] if item["type"] == "message"]


async def test_turns_stand_in_it_and_go_on_from_it(stateful: Stateful) -> None:
    conversation = await made(stateful, items=[{"role": "user", "content": "my name is Ada"}])
    first = await stateful.create(model=OPENAI, input="echo: one fish", conversation=conversation["id"])
    assert first["conversation"] == {"id": conversation["id"]} and first["previous_response_id"] is None
    assert "Ada" in str(stateful.sent()) and "conversation" not in stateful.sent()
    second = await stateful.create(
        model=ANTHROPIC, input="echo: two fish", conversation={"id": conversation["id"]}, stream=True
    )
    assert second["conversation"] == {"id": conversation["id"]}
    sent = str(stateful.sent())
    for words in ("Ada", "one fish", "two fish"):
        assert words in sent
    said = await texts(stateful, conversation["id"])
    assert said == ["my name is Ada", "echo: one fish", "one fish", "echo: two fish", "two fish"]
    # Its turns are responses like any other: they can be gone on from, and are shown.
    await stateful.create(model=OPENAI, input="third", previous_response_id=first["id"], store=False)
    assert "Ada" in str(stateful.sent()) and "two fish" not in str(stateful.sent())
    await stateful.client.delete(f"responses/{first['id']}")
    assert await texts(stateful, conversation["id"]) == said


async def test_with_store_false_it_is_read_and_not_added_to(stateful: Stateful) -> None:
    conversation = await made(stateful, items=[{"role": "user", "content": "my name is Ada"}])
    await stateful.create(model=OPENAI, input="hello", conversation=conversation["id"], store=False)
    assert "Ada" in str(stateful.sent())
    assert await texts(stateful, conversation["id"]) == ["my name is Ada"]


async def test_its_metadata_can_be_changed(stateful: Stateful) -> None:
    conversation = await made(stateful, metadata={"topic": "fish"})
    assert conversation == await stateful.get(f"conversations/{conversation['id']}")
    assert (conversation["object"], conversation["metadata"]) == ("conversation", {"topic": "fish"})
    path = f"conversations/{conversation['id']}"
    changed = await stateful.client.post(path, json={"metadata": {"topic": "birds"}})
    assert changed.json() == {**conversation, "metadata": {"topic": "birds"}} == await stateful.get(path)
    assert (await stateful.client.post(path, json={})).status_code == 400


async def test_items_are_added_read_and_deleted_one_by_one(stateful: Stateful) -> None:
    conversation = await made(stateful)
    path = f"conversations/{conversation['id']}/items"
    assert (await stateful.get(path))["data"] == []
    items = [
        {"role": "user", "content": "a"},
        {"id": "msg_mine", "type": "message", "role": "assistant", "content": "b"},
    ]
    added = (await stateful.client.post(path, json={"items": items})).json()
    assert (added["object"], added["has_more"]) == ("list", False)
    mine, own = added["data"]
    assert own["id"] == "msg_mine" and mine["id"].startswith("msg_")
    assert own["content"] == [{"type": "output_text", "annotations": [], "logprobs": [], "text": "b"}]
    assert await stateful.get(f"{path}/{mine['id']}") == mine
    newest = await stateful.get(f"{path}?limit=1")
    assert (newest["data"], newest["has_more"]) == ([own], True)
    left = (await stateful.client.delete(f"{path}/{mine['id']}")).json()
    assert left == conversation
    assert (await stateful.client.get(f"{path}/{mine['id']}")).status_code == 404
    assert (await stateful.client.delete(f"{path}/{mine['id']}")).status_code == 404
    assert (await stateful.get(path))["data"] == [own]


async def test_deleted_it_is_gone_and_to_others_it_never_was(stateful: Stateful) -> None:
    conversation = await made(stateful, items=[{"id": "msg_1", "role": "user", "content": "a"}])
    path = f"conversations/{conversation['id']}"
    requests = [
        ("GET", path, None),
        ("POST", path, {"metadata": {}}),
        ("GET", f"{path}/items", None),
        ("POST", f"{path}/items", {"items": [{"role": "user", "content": "x"}]}),
        ("GET", f"{path}/items/msg_1", None),
        ("DELETE", f"{path}/items/msg_1", None),
        ("POST", "responses", {"model": OPENAI, "input": "x", "conversation": conversation["id"]}),
        ("DELETE", path, None),
    ]
    others = [await stateful.other.request(method, at, json=body) for method, at, body in requests]
    deleted = (await stateful.client.delete(path)).json()
    assert deleted == {"id": conversation["id"], "object": "conversation.deleted", "deleted": True}
    own = [await stateful.client.request(method, at, json=body) for method, at, body in requests]
    assert {answer.status_code for answer in others + own} == {404}
    assert [answer.content for answer in others] == [answer.content for answer in own]


@pytest.mark.parametrize(
    "body",
    [
        {"items": "x"},
        {"items": [7]},
        {"items": [{"role": "user", "content": "x"}] * 21},
        {"metadata": []},
        {"metadata": {"a": 1}},
        {"metadata": {"a": "x" * 513}},
        {"metadata": {"k" * 65: "x"}},
        {"metadata": {str(number): "x" for number in range(17)}},
    ],
)
async def test_what_cannot_be_kept_is_refused(stateful: Stateful, body: dict[str, Any]) -> None:
    answer = await stateful.client.post("conversations", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"]
