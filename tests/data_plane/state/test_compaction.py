"""A long conversation made short, at any model, and gone on with at any other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from data_plane.state.conftest import ANTHROPIC, BEDROCK, GOOGLE, OPENAI, Stateful
from isthmus.wire.openai_responses.state import compaction


async def compacted(stateful: Stateful, **body: Any) -> dict[str, Any]:
    answer = await stateful.client.post("responses/compact", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["object"] == "response.compaction" and found["output"][-1]["type"] == "compaction"
    assert found["usage"]["total_tokens"] > 0
    return found


@pytest.mark.parametrize("model", [ANTHROPIC, GOOGLE, BEDROCK])
async def test_any_model_sums_up_and_any_other_goes_on(stateful: Stateful, model: str) -> None:
    first = await stateful.create(model=OPENAI, input="echo: one fish")
    result = {"type": "function_call_output", "call_id": "c1", "output": "rain"}
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'}
    short = await compacted(
        stateful, model=model, input=[call, result, {"role": "user", "content": "hm"}], previous_response_id=first["id"]
    )
    assert [item["type"] for item in short["output"]] == ["message", "message", "compaction"]
    assert short["output"][-1]["id"].startswith("cmp_")
    summary = compaction.opened(msgspec.json.encode(short["output"][-1]))
    assert summary
    sent = stateful.simulator.requests[-1].body.decode()
    for words in ("one fish", "The assistant called weather", "Oslo", "The tool answered: rain"):
        assert words in sent
    for other in (OPENAI, ANTHROPIC, GOOGLE, BEDROCK):
        for store in (True, False):
            question = {"role": "user", "content": "echo: on we go"}
            gone_on = await stateful.create(model=other, input=[*short["output"], question], store=store)
            assert gone_on["output"][-1]["content"][0]["text"].endswith("on we go")
            sent = stateful.simulator.requests[-1].body
            assert msgspec.json.encode(summary)[1:-1] in sent
            assert b"isthmus-sealed" not in sent and b'"compaction"' not in sent


async def test_what_is_compacted_can_be_kept_and_gone_on_from(stateful: Stateful) -> None:
    short = await compacted(stateful, model=ANTHROPIC, input="my name is Ada")
    first = await stateful.create(model=ANTHROPIC, input=[*short["output"], {"role": "user", "content": "hello"}])
    await stateful.create(model=OPENAI, input="again", previous_response_id=first["id"])
    assert b"summed up:" in stateful.simulator.requests[-1].body
    items = await stateful.get(f"responses/{first['id']}/input_items?order=asc")
    assert [item["type"] for item in items["data"]] == ["message", "compaction", "message"]


async def test_openais_own_is_relayed_and_only_openai_reads_it(stateful: Stateful) -> None:
    first = await stateful.create(model=OPENAI, input="echo: one fish")
    short = await compacted(stateful, model=OPENAI, previous_response_id=first["id"], input="and?")
    sent = stateful.sent()
    assert "one fish" in str(sent["input"]) and {"store", "previous_response_id"}.isdisjoint(sent)
    assert stateful.simulator.requests[-1].path.endswith("/responses/compact")
    question = {"role": "user", "content": "echo: on we go"}
    await stateful.create(model=OPENAI, input=[*short["output"], question])
    assert stateful.sent()["input"][-2] == short["output"][-1]
    for path in ("responses", "responses/compact"):
        answer = await stateful.client.post(path, json={"model": ANTHROPIC, "input": [*short["output"], question]})
        assert answer.status_code == 400 and "compaction" in answer.text


async def test_there_must_be_something_to_compact(stateful: Stateful) -> None:
    for body in ({"input": []}, {}, {"input": "x", "stream": True}):
        answer = await stateful.client.post("responses/compact", json={"model": ANTHROPIC, **body})
        assert answer.status_code == 400, answer.text
    answer = await stateful.client.post(
        "responses/compact", json={"model": ANTHROPIC, "previous_response_id": "resp_absent"}
    )
    assert answer.status_code == 404
    stateful.simulator.requests.clear()
    rows = f"/client/v4/accounts/{stateful.running.account_id}/ai-gateway/gateways/default/logs"
    answer = await stateful.client.get(stateful.running.base_url + rows)
    assert {row["request_type"] for row in answer.json()["result"]} == {"responses.compact"}
