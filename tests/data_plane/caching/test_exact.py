"""Answers that are given again, as callers see it: at every address, whole and streamed, with the row of each."""

from __future__ import annotations

import re
from typing import Any

import pytest

from data_plane.caching.doors import BY_NAME, DOORS, Door
from data_plane.caching.heard import heard
from data_plane.caching.served import CACHED, OTHER, PLAIN, Served, status
from data_plane.callers import events_of
from data_plane.gateway_host.socket_client import chat, create, opened, url

pytestmark = pytest.mark.asyncio(loop_scope="module")

each_case = pytest.mark.parametrize(
    ("door", "stream"),
    [
        pytest.param(door, stream, id=f"{door.name}-{'stream' if stream else 'whole'}")
        for door in DOORS
        for stream in door.ways
    ],
)
# What is a call's own, and not its answer's: ids that the gateway makes, and when it made them.
_OWN = re.compile(
    r'"(id|item_id|created|created_at|completed_at|gatewayMetadata|responseId)":("[^"]*"|[0-9.]+|\{[^}]*\})'
)


def content(answer: Any) -> str:
    return _OWN.sub("", answer.text)


@each_case
async def test_the_second_call_is_a_hit(served: Served, door: Door, stream: bool) -> None:
    text = f"Tell of {door.name} {stream}."
    before = served.asked
    first = await door.ask(served, text, stream)
    assert first.status_code == 200, first.text
    assert status(first) == "MISS" and "age" not in first.headers
    assert served.asked == before + 1
    second = await door.ask(served, text, stream)
    assert (second.status_code, status(second)) == (200, "HIT"), second.text
    assert served.asked == before + 1
    assert int(second.headers["age"]) >= 0
    assert second.headers["content-type"] == first.headers["content-type"]
    assert content(second) == content(first)
    one, two = await served.row_of(first), await served.row_of(second)
    assert one["id"] != two["id"] and (one["cached"], two["cached"]) == (False, True)
    same = (
        "success",
        "status_code",
        "streamed",
        "model",
        "provider",
        "tokens_in",
        "tokens_out",
        "finish_reason",
        "end",
    )
    assert {name: one.get(name) for name in same} == {name: two.get(name) for name in same}
    assert two["success"] is True and two["tokens_in"] > 0


@pytest.mark.parametrize("first", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("door", [door for door in DOORS if door.spoken], ids=lambda door: door.name)
async def test_a_whole_answer_serves_a_stream_and_back(served: Served, door: Door, first: bool) -> None:
    text = f"Tell both ways of {door.name} {first}."
    kept = await door.ask(served, text, first)
    again = await door.ask(served, text, not first)
    assert [status(kept), status(again)] == ["MISS", "HIT"], again.text
    one, two = heard(door.spoken, kept), heard(door.spoken, again)
    whole = (kept, again)[first].headers["content-type"], (kept, again)[not first].headers["content-type"]
    assert whole[0].startswith("application/json") and whole[1].startswith("text/event-stream")
    assert one.finish == two.finish == {0: "stop"}
    assert one.text == two.text and one.text[0]
    for found in (one, two):  # a chat completion's stream has none where nobody asked for it
        assert found.usage is None or found.usage.output_tokens > 0
    row = await served.row_of(again)
    assert (row["cached"], row["streamed"], row["success"]) == (True, not first, True) and row["tokens_out"] > 0


@pytest.mark.parametrize(
    "name", ["native-openai", "native-anthropic", "native-gemini", "universal", "universal-messages"]
)
async def test_a_provider_s_own_stream_and_its_whole_answer_are_two(served: Served, name: str) -> None:
    """What is asked there is the provider's to answer, in its own words."""
    for stream in (False, True):
        assert status(await BY_NAME[name].ask(served, f"Two of {name}.", stream)) == "MISS"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ["chat", "run-messages", "embeddings", "compat", "native-gemini", "universal"])
async def test_off_by_default(served: Served, name: str, stream: bool) -> None:
    before = served.asked
    for _ in range(2):
        answer = await BY_NAME[name].ask(served, f"Never {name} {stream}.", stream, PLAIN)
        assert answer.status_code == 200 and status(answer) is None and "age" not in answer.headers
        assert (await served.row_of(answer, PLAIN))["cached"] is False
    assert served.asked == before + 2


@pytest.mark.parametrize("name", ["chat", "run-chat", "compat", "native-openai", "universal", "embeddings"])
async def test_two_gateways_never_share_an_entry(served: Served, name: str) -> None:
    for gateway_id in (CACHED, OTHER):
        answer = await BY_NAME[name].ask(served, f"Whose is {name}?", False, gateway_id)
        assert (answer.status_code, status(answer)) == (200, "MISS")
        assert status(await BY_NAME[name].ask(served, f"Whose is {name}?", False, gateway_id)) == "HIT"


async def test_two_accounts_never_share_an_entry(served: Served) -> None:
    """Of the same names, by the same words."""
    stranger = await served.stranger()
    for each in (served, stranger):
        for name in ("chat", "compat", "native-openai", "universal"):
            answer = await BY_NAME[name].ask(each, f"Whose account is {name}?", False)
            assert (answer.status_code, status(answer)) == (200, "MISS"), answer.text
            assert status(await BY_NAME[name].ask(each, f"Whose account is {name}?", False)) == "HIT"


@pytest.mark.parametrize("model", ["openai/gpt-4o", "responsive/gpt-5.5", "anthropic/claude-haiku-4.5"])
@pytest.mark.parametrize("again", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("first", [False, True], ids=["whole", "stream"])
async def test_a_stored_response_is_its_own_each_time(served: Served, model: str, first: bool, again: bool) -> None:
    def body(text: str, **more: Any) -> dict[str, Any]:
        return {"model": model, "input": text, **more}

    text = f"Remember {model} {first} {again}."
    ids = []
    for stream, expected in ((first, "MISS"), (again, "HIT")):
        answer = await served.ask("v1/responses", body(text, stream=stream))
        assert (answer.status_code, status(answer)) == (200, expected)
        said = completed(answer)
        ids.append(said["id"])
        kept = await served.gateway.client.get(
            f"{served.gateway.account}/ai/v1/responses/{said['id']}", headers=served.gateway.headers
        )
        assert kept.status_code == 200 and kept.json()["output"] == said["output"]
    assert ids[0] != ids[1]
    for index, expected in ((0, "MISS"), (1, "HIT")):  # what was said before is the same, whatever it is called
        going_on = await served.ask("v1/responses", body("And then?", previous_response_id=ids[index]))
        assert going_on.status_code == 200, going_on.text
        assert going_on.json()["previous_response_id"] == ids[index]
        assert status(going_on) == expected
    seen = served.simulator.requests[-1]
    assert text in seen.body.decode()


def completed(answer: Any) -> dict[str, Any]:
    if answer.headers["content-type"].startswith("application/json"):
        found: dict[str, Any] = answer.json()
        return found
    (last,) = (event for name, event in events_of(answer.text) if name == "response.completed")
    response: dict[str, Any] = last["response"]
    return response


async def test_a_message_of_a_socket(served: Served) -> None:
    async with opened(served.gateway, address=url(served.gateway, CACHED)) as socket:
        for stream in (False, True):
            told = []
            for name in ("one", "two"):
                await socket.ask(create(name, chat(f"By socket {stream}.", stream=stream)))
                messages = (await socket.answers(1))[name]
                assert messages[0]["metadata"]["status"] == 200
                told.append((messages[0]["metadata"]["cacheStatus"], [each.get("response") for each in messages]))
            (first, said), (second, again) = told
            assert (first, second) == ("MISS", "HIT") and said == again
    async with opened(served.gateway, address=url(served.gateway, PLAIN)) as socket:
        for _ in range(2):
            answer = await socket.answer(create("one", chat("By socket.")))
            assert answer["metadata"]["cacheStatus"] == "MISS"
