"""A conversation whose turns are answered by one vendor after another, kept here and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import LOCAL
from data_plane.state.conftest import ANTHROPIC, BEDROCK, GOOGLE, OPENAI, Begin, Stateful, events_of

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
THINKING = {"reasoning": {"effort": "low"}}
FORGETFUL = ("previous_response_id", "conversation", "background")


def said(sent: dict[str, Any]) -> str:
    """All of what a provider was sent, as text in which what was said can be found."""
    return str(sent)


def check_stateless(sent: dict[str, Any]) -> None:
    assert sent.get("store", False) is False
    assert not any(sent.get(name) for name in FORGETFUL)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("last", [LOCAL, BEDROCK], ids=["local", "bedrock"])
async def test_five_turns_over_four_vendors_with_thinking_and_a_tool(
    stateful: Stateful, stream: bool, last: str
) -> None:
    first = await stateful.create(model=OPENAI, input="echo: one fish", stream=stream, **THINKING)
    assert first["store"] is True and first["previous_response_id"] is None
    assert first["id"].startswith("resp_")
    check_stateless(stateful.sent())

    second = await stateful.create(
        model=ANTHROPIC,
        input='call weather with {"city": "Oslo"}',
        previous_response_id=first["id"],
        tools=[WEATHER],
        stream=stream,
        **THINKING,
    )
    assert second["previous_response_id"] == first["id"] and second["store"] is True
    call = next(item for item in second["output"] if item["type"] == "function_call")
    assert not any("encrypted_content" in item for item in second["output"])
    assert [message["role"] for message in stateful.sent()["messages"]] == ["user", "assistant", "user"]
    assert "one fish" in said(stateful.sent())

    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain in Oslo"}
    third = await stateful.create(
        model=ANTHROPIC, input=[result], previous_response_id=second["id"], tools=[WEATHER], stream=stream, **THINKING
    )
    thought = [part for message in stateful.sent()["messages"] for part in message["content"] if "signature" in part]
    assert thought, "its own thinking goes on"
    assert stateful.sent()["messages"][-1]["content"][0]["type"] == "tool_result"

    fourth = await stateful.create(
        model=GOOGLE, input="echo: two fish", previous_response_id=third["id"], stream=stream, **THINKING
    )
    for words in ("one fish", "Oslo", "rain in Oslo", "two fish"):
        assert words in said(stateful.sent())

    fifth = await stateful.create(
        model=OPENAI, input="echo: red fish", previous_response_id=fourth["id"], stream=stream, **THINKING
    )
    sent = stateful.sent()
    check_stateless(sent)
    for words in ("one fish", "Oslo", "rain in Oslo", "two fish", "red fish"):
        assert words in said(sent)
    thinking = [item for item in sent["input"] if item["type"] == "reasoning"]
    assert len(thinking) == 1 and thinking[0]["encrypted_content"], "OpenAI's own, and nobody else's"
    assert fifth["output"][-1]["content"][0]["text"] == "red fish"

    sixth = await stateful.create(
        model=last, input="blue fish?", previous_response_id=fifth["id"], stream=stream, max_output_tokens=16
    )
    assert sixth["status"] in ("completed", "incomplete") and sixth["output"]
    if last == BEDROCK:
        assert "red fish" in said(stateful.sent()) and "blue fish?" in said(stateful.sent())

    responses = [first, second, third, fourth, fifth, sixth]
    for response in responses:
        assert await stateful.get(f"responses/{response['id']}") == response
    for response in responses:
        deleted = (await stateful.client.delete(f"responses/{response['id']}")).json()
        assert deleted == {"id": response["id"], "object": "response", "deleted": True}
        for path in (f"responses/{response['id']}", f"responses/{response['id']}/input_items"):
            assert (await stateful.client.get(path)).status_code == 404


async def test_what_a_caller_did_not_ask_for_it_is_not_shown_and_what_it_asked_for_it_is(stateful: Stateful) -> None:
    for stream in (False, True):
        shown = await stateful.create(
            model=OPENAI, input="hello", stream=stream, include=["reasoning.encrypted_content"], **THINKING
        )
        assert shown["output"][0]["encrypted_content"]
        answer = await stateful.client.post(
            "responses", json={"model": OPENAI, "input": "hello", "stream": stream, **THINKING}
        )
        assert b"encrypted_content" not in answer.content
        assert stateful.sent()["include"] == ["reasoning.encrypted_content"]


async def test_a_model_that_does_not_think_is_not_asked_for_its_thinking(stateful: Stateful) -> None:
    await stateful.create(model="openai/gpt-4o", input="hello", include=["message.output_text.logprobs"])
    assert stateful.sent()["include"] == ["message.output_text.logprobs"]


async def test_instructions_and_tools_are_not_carried_over(stateful: Stateful) -> None:
    first = await stateful.create(model=OPENAI, input="hello", instructions="Speak as a pirate.", tools=[WEATHER])
    second = await stateful.create(model=OPENAI, input="again", previous_response_id=first["id"])
    assert "pirate" not in said(stateful.sent()) and "tools" not in stateful.sent()
    assert second["instructions"] is None


async def test_with_store_false_nothing_is_kept_but_what_was_kept_can_be_gone_on_from(stateful: Stateful) -> None:
    first = await stateful.create(model=OPENAI, input="echo: one fish")
    second = await stateful.create(model=OPENAI, input="two", previous_response_id=first["id"], store=False)
    assert second["store"] is False and second["previous_response_id"] == first["id"]
    assert "one fish" in said(stateful.sent())
    assert (await stateful.client.get(f"responses/{second['id']}")).status_code == 404


async def test_the_bytes_of_a_relayed_body_stay_as_they_are_but_for_what_must_change(stateful: Stateful) -> None:
    body = b'{ "model" : "openai/gpt-4o" ,"input":"h\\u00e9", "metadata":{"a" : "b"}, "temperature":1.0}'
    answer = await stateful.client.post("responses", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    expected = body.replace(b"openai/gpt-4o", b"gpt-4o")[:-1] + b',"store":false}'
    assert stateful.simulator.requests[-1].body == expected


async def test_a_stateless_body_is_passed_on_as_it_came(stateful: Stateful) -> None:
    body = b'{ "model" : "gpt-4o" ,"input":"hi", "store" : false }'
    sent = body.replace(b"gpt-4o", b"openai/gpt-4o")
    answer = await stateful.client.post("responses", content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == 200 and answer.json()["store"] is False
    assert stateful.simulator.requests[-1].body == body


async def test_of_another_account_or_unknown_or_deleted_all_is_the_same(stateful: Stateful) -> None:
    mine = await stateful.create(model=OPENAI, input="hello")
    asked = {"model": OPENAI, "input": "again", "previous_response_id": mine["id"]}
    refusals = [await stateful.other.post("responses", json=asked)]
    paths = (f"responses/{mine['id']}", f"responses/{mine['id']}/input_items")
    unseen = [await stateful.other.get(path) for path in paths]
    unseen.append(await stateful.other.delete(paths[0]))
    unseen.append(await stateful.other.post(f"{paths[0]}/cancel"))
    await stateful.client.delete(paths[0])
    refusals.append(await stateful.client.post("responses", json=asked))
    unseen += [await stateful.client.get(path) for path in paths]
    assert {answer.status_code for answer in refusals + unseen} == {404}
    assert len({answer.content for answer in refusals}) == 1 and len({answer.content for answer in unseen}) == 1
    error = refusals[0].json()["error"]
    assert (error["param"], error["code"]) == ("previous_response_id", "7003")
    unknown = await stateful.client.post("responses", json={**asked, "previous_response_id": "resp_unknown"})
    assert unknown.content == refusals[0].content.replace(mine["id"].encode(), b"resp_unknown")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"previous_response_id": 1}, "previous_response_id"),
        ({"previous_response_id": ""}, "previous_response_id"),
        ({"conversation": {}}, "conversation"),
        ({"conversation": 7}, "conversation"),
        ({"previous_response_id": "resp_1", "conversation": "conv_1"}, "previous_response_id"),
        ({"store": "yes"}, "store"),
        ({"background": "yes"}, "background"),
        ({"background": True, "store": False}, "background"),
        ({"input": 7, "previous_response_id": "resp_1"}, "input"),
        ({"input": ["hello"], "conversation": "conv_1"}, "input.0"),
    ],
)
async def test_bad_wishes_are_refused_by_name(stateful: Stateful, changes: dict[str, Any], param: str) -> None:
    answer = await stateful.client.post("responses", json={"model": OPENAI, "input": "hi", **changes})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    assert not stateful.simulator.requests


async def test_items_that_are_only_named_are_found_again(stateful: Stateful) -> None:
    """As the AI SDK goes on: what an answer said is referred to, by the ids of its items."""
    first = await stateful.create(model=OPENAI, input="echo: one fish", **THINKING)
    items = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
    question = {"role": "user", "content": "echo: two fish"}
    for model in (OPENAI, ANTHROPIC):
        await stateful.create(model=model, input=[{"role": "user", "content": "q"}, *items, question], **THINKING)
        assert "one fish" in said(stateful.sent())
    # Others send the items themselves, thinking without its content: it was not shown to them.
    await stateful.create(model=OPENAI, input=[{"role": "user", "content": "q"}, *first["output"], question])
    assert stateful.sent()["input"][1]["encrypted_content"]
    answer = await stateful.client.post(
        "responses", json={"model": OPENAI, "input": [{"type": "item_reference", "id": "msg_absent"}, question]}
    )
    assert answer.status_code == 404 and answer.json()["error"]["param"] == "input"
    other = await stateful.other.post("responses", json={"model": OPENAI, "input": [*items, question]})
    assert other.status_code == 404


async def test_what_is_named_but_gone_at_its_provider_is_left_out(stateful: Stateful) -> None:
    """Thinking that came without its content, at a model of which nothing is known, goes nowhere."""
    first = await stateful.create(model="openai/gpt-5.5", input="hello", **THINKING)
    second = await stateful.create(model=LOCAL, input="and?", previous_response_id=first["id"], max_output_tokens=16)
    assert second["output"]


async def test_input_items_are_paged(stateful: Stateful) -> None:
    given = [{"role": "user", "content": f"echo: {number}"} for number in range(5)]
    mine = await stateful.create(model=OPENAI, input=[*given, {"type": "message", "role": "user", "content": []}])
    path = f"responses/{mine['id']}/input_items"
    newest = await stateful.get(path)
    assert (newest["object"], newest["has_more"], len(newest["data"])) == ("list", False, 6)
    ids = [item["id"] for item in newest["data"]]
    assert all(item_id.startswith("msg_") for item_id in ids) and len(set(ids)) == 6
    assert newest["data"][-1] == {
        "id": ids[-1],
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "echo: 0"}],
    }
    page = await stateful.get(f"{path}?limit=2&order=asc&after={ids[-1]}")
    assert [item["id"] for item in page["data"]] == ids[::-1][1:3]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (ids[-2], ids[-3], True)
    for query in ("limit=0", "limit=101", "limit=x", "order=up"):
        assert (await stateful.client.get(f"{path}?{query}")).status_code == 400
    assert (await stateful.client.get(f"{path}?after=absent")).status_code == 404


async def test_a_turn_leaves_one_row_and_reading_leaves_none(stateful: Stateful) -> None:
    mine = await stateful.create(model=ANTHROPIC, input="hello", stream=True)
    await stateful.get(f"responses/{mine['id']}")
    await stateful.client.delete(f"responses/{mine['id']}")
    account = f"/client/v4/accounts/{stateful.running.account_id}/ai-gateway/gateways/default/logs"
    rows = (await stateful.client.get(stateful.running.base_url + account)).json()["result"]
    assert len(rows) == 1 and rows[0]["success"] and rows[0]["tokens_out"] > 0


async def test_an_answer_that_breaks_off_is_not_kept(stateful: Stateful) -> None:
    from isthmus.simulator.faults import Fault

    for fault in (Fault(cut_after=4), Fault(error_event_after=4), Fault(status=500)):
        stateful.simulator.next(fault)
        answer = await stateful.client.post("responses", json={"model": OPENAI, "input": "hi", "stream": True})
        begun = [event["response"]["id"] for event in events_of(answer.content) if "response" in event]
        for response_id in begun:
            assert (await stateful.client.get(f"responses/{response_id}")).status_code == 404


async def test_methods_that_are_none_are_told(stateful: Stateful) -> None:
    for method, path in (
        ("PUT", "responses/resp_1"),
        ("POST", "responses/resp_1/input_items"),
        ("GET", "conversations"),
    ):
        answer = await stateful.client.request(method, path)
        assert answer.status_code == 405 and "allow" in answer.headers
    assert (await stateful.client.get("responses/resp_1/nonsense")).status_code == 404


async def test_input_tokens_are_counted_with_what_stands_before(stateful: Stateful) -> None:
    first = await stateful.create(model=OPENAI, input="echo: " + "many words " * 30)
    for model in (OPENAI, ANTHROPIC, GOOGLE):
        counted = await stateful.client.post("responses/input_tokens", json={"model": model, "input": "hi"})
        assert counted.status_code == 200, counted.text
        few = counted.json()
        asked = {"model": model, "input": "hi", "previous_response_id": first["id"]}
        many = (await stateful.client.post("responses/input_tokens", json=asked)).json()
        assert few["object"] == many["object"] == "response.input_tokens"
        assert many["input_tokens"] > few["input_tokens"] + 50


async def test_where_state_is_off_a_call_says_so(begin: Begin) -> None:
    stateful = await begin(state_retention_days=0.0)
    for changes in (
        {"store": True},
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"background": True},
    ):
        answer = await stateful.client.post("responses", json={"model": OPENAI, "input": "hi", **changes})
        assert answer.status_code == 400 and "--state-retention-days" in answer.text
    mine = await stateful.create(model=OPENAI, input="hi")
    assert mine["store"] is False and stateful.sent()["store"] is False
    assert (await stateful.client.get(f"responses/{mine['id']}")).status_code == 400


async def test_by_the_short_address_all_is_the_same(stateful: Stateful) -> None:
    short = f"{stateful.running.base_url}/openai/v1"
    made = await stateful.client.post(f"{short}/responses", json={"model": "gpt-5.5", "input": "echo: one fish"})
    assert made.status_code == 200 and made.json()["store"] is True, made.text
    path = f"responses/{made.json()['id']}"
    assert (await stateful.client.get(f"{short}/{path}")).json() == made.json() == await stateful.get(path)
    assert (await stateful.client.get(f"{short}/{path}/input_items")).json()["data"]
    conversation = (await stateful.client.post(f"{short}/conversations", json={})).json()
    assert await stateful.get(f"conversations/{conversation['id']}") == conversation


async def test_run_keeps_no_state(stateful: Stateful) -> None:
    run = f"{stateful.client.base_url}".replace("/v1/", "/run")
    for more in ({"store": True}, {"previous_response_id": "resp_1"}, {"background": True}, {"conversation": "c"}):
        given = {"model": "google/gemini-2.5-flash", "input": {"input": "hi", **more}}
        answer = await stateful.client.post(run, json=given)
        assert answer.status_code == 400 and next(iter(more)) in answer.text
