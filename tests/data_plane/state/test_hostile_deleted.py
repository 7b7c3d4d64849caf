"""What was deleted is gone by every way that leads to it."""

from __future__ import annotations

import pytest

from conftest import Gateway, StartGateway
from isthmus.data_plane.state.turn import run_id_of

ASKED = {"model": "openai/gpt-4o", "input": "Say hello."}


@pytest.mark.parametrize("background", [True, False])
async def test_a_deleted_responses_events(start_gateway: StartGateway, background: bool) -> None:
    gateway: Gateway = await start_gateway(resumable_streams="all")
    streamed = await gateway.post("v1/responses", {**ASKED, "stream": True, "background": background, "store": True})
    assert streamed.status_code == 200 and "response.completed" in streamed.text
    response_id = streamed.text.partition('"id":"')[2].partition('"')[0]
    at = f"{gateway.account}/ai/v1/responses/{response_id}"
    run = f"{gateway.account}/ai-gateway/gateways/default/run/{run_id_of(response_id)}/resume"
    assert (await gateway.client.get(run, headers=gateway.headers)).text == streamed.text
    assert (await gateway.client.delete(at, headers=gateway.headers)).status_code == 200
    unknown = await gateway.client.get(run[:-10] + "000/resume", headers=gateway.headers)
    for again in (run, f"{at}?stream=true", at):
        answer = await gateway.client.get(again, headers=gateway.headers)
        assert answer.status_code == 404 and "hello" not in answer.text
    gone = await gateway.client.get(run, headers=gateway.headers)
    assert (gone.status_code, gone.content) == (unknown.status_code, unknown.content)
    assert len(await gateway.rows()) == 1
