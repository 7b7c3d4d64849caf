"""The universal endpoint: steps in order, each with its retries, until one has an answer (data-plane 7.3, 9.7)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from conftest import Gateway
from data_plane.gateway_host.stepwise import (
    ANTHROPIC,
    COMPAT,
    IMPATIENT,
    NEVER_MS,
    OPEN,
    OPENAI,
    USER,
    problem,
    step_of,
    universal,
)
from isthmus.simulator import Fault, Simulator


def asked_of(simulator: Simulator) -> list[str]:
    return [request.path for request in simulator.requests]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("body", [OPENAI, [OPENAI], [OPENAI, ANTHROPIC]], ids=["one", "array", "two"])
async def test_the_first_step_answers(gateway: Gateway, simulator: Simulator, body: Any, slash: str) -> None:
    answer = await universal(gateway, body, slash=slash)
    assert answer.status_code == 200 and step_of(answer) == "0"
    assert answer.json()["choices"][0]["message"]["content"] == "yes"
    assert "gatewayMetadata" not in answer.json()  # a provider's own answer, untouched
    assert len(simulator.requests) == 1
    row = await gateway.row()
    assert row["id"] == answer.headers["cf-aig-log-id"] and row["step"] == 0
    assert (row["provider"], row["model"]) == ("openai", "openai/gpt-4o")
    assert row["tokens_in"] > 0 and row["tokens_out"] > 0 and row["success"] is True
    assert row["path"].rstrip("/").endswith("/default")


async def test_the_query_goes_byte_for_byte(gateway: Gateway, simulator: Simulator) -> None:
    query = b'{ "messages" :[{"content":"echo: \\u00e9 1.0e+0",\n"role":"user"}] ,"temperature":1.00, "model":"gpt-4o"}'
    body = b'[ {"query":' + query + b',"endpoint":"/chat/completions","provider":"openai"} ]'
    assert (await universal(gateway, body)).status_code == 200
    seen = simulator.requests[-1]
    assert seen.body == query and seen.header("content-length") == str(len(query))


async def test_the_second_step_answers_where_the_first_fails(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=503))
    answer = await universal(gateway, [OPENAI, ANTHROPIC])
    assert answer.status_code == 200 and step_of(answer) == "1"
    assert answer.json()["content"][0]["text"] == "yes"
    assert asked_of(simulator) == ["/v1/chat/completions", "/v1/messages"]
    row = await gateway.row()
    assert (row["provider"], row["step"], row["success"], row["status_code"]) == ("anthropic", 1, True, 200)
    assert row["model"] == "anthropic/claude-haiku-4.5" and row["tokens_out"] > 0
    assert "error_code" not in row and row["error_message"].startswith("before it, step 0 attempt 1: ")


@pytest.mark.parametrize(
    "fault",
    [Fault(status=status) for status in (400, 401, 403, 404, 422, 429, 500, 529)]
    + [Fault(kind="reset"), Fault(kind="close")],
    ids=str,
)
async def test_whatever_the_failure(gateway: Gateway, simulator: Simulator, fault: Fault) -> None:
    simulator.next(fault)
    answer = await universal(gateway, [OPENAI, ANTHROPIC])
    assert answer.status_code == 200 and step_of(answer) == "1"


async def test_a_stream_after_a_failure(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=500))
    stream = {**OPENAI, "query": {**OPENAI["query"], "stream": True}}
    answer = await universal(gateway, [{**ANTHROPIC, "query": {**ANTHROPIC["query"], "stream": True}}, stream])
    assert answer.status_code == 200 and step_of(answer) == "1"
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.rstrip().endswith("data: [DONE]")
    row = await gateway.row()
    assert (row["streamed"], row["provider"]) == (True, "openai")


async def test_nothing_is_tried_again_once_a_stream_has_begun(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(cut_after=2))
    stream = {**OPENAI, "query": {**OPENAI["query"], "stream": True}, "config": {"maxAttempts": 5}}
    answer = await universal(gateway, [stream, ANTHROPIC])
    assert answer.status_code == 200 and step_of(answer) == "0"
    assert len(simulator.requests) == 1
    assert (await gateway.row())["success"] is False


async def test_all_fail_and_the_last_error_is_given_as_it_came(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=500), Fault(status=429, retry_after=7))
    answer = await universal(gateway, [OPENAI, ANTHROPIC])
    assert answer.status_code == 429 and step_of(answer) == "1"
    assert answer.json()["type"] == "error" and "success" not in answer.json()
    assert answer.headers.get_list("retry-after") == ["7"]
    row = await gateway.row()
    assert (row["provider"], row["step"], row["success"], row["status_code"]) == ("anthropic", 1, False, 429)
    assert "; before it, step 0 attempt 1: " in row["error_message"]


async def test_an_error_of_ours_is_last(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=500), Fault(slow_first_byte_ms=NEVER_MS))
    answer = await universal(gateway, [OPENAI, {**ANTHROPIC, "config": IMPATIENT}])
    assert problem(answer) == (504, 2005) and step_of(answer) == "1"
    simulator.next(Fault(status=500), Fault(status=401))  # the installation's own key
    answer = await universal(gateway, [ANTHROPIC, OPENAI])
    assert problem(answer)[0] == 503


async def test_retries(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=500), Fault(status=429), Fault(status=503))
    answer = await universal(gateway, [{**OPENAI, "config": {"maxAttempts": 4, "retryDelay": 1, "backoff": "linear"}}])
    assert answer.status_code == 200 and step_of(answer) == "0" and len(simulator.requests) == 4
    row = await gateway.row()
    assert "step 0 attempt 1" in row["error_message"] and "step 0 attempt 3" in row["error_message"]
    assert len(await gateway.rows()) == 1


async def test_at_most_five_attempts_a_step(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(*[Fault(status=500)] * 6)
    answer = await universal(gateway, [{**OPENAI, "config": {"maxAttempts": 99}}])
    assert answer.status_code == 500 and len(simulator.requests) == 5


async def test_what_will_not_help_is_not_tried_again(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=422))
    answer = await universal(gateway, [{**OPENAI, "config": {"maxAttempts": 5}}, ANTHROPIC])
    assert step_of(answer) == "1" and len(simulator.requests) == 2


LAYERS = {
    "config before headers": ({"maxAttempts": 2}, {"cf-aig-max-attempts": "4"}, {"cf-aig-max-attempts": "5"}, 3, 2),
    "step's headers before the request's": ({}, {"cf-aig-max-attempts": "2"}, {"cf-aig-max-attempts": "5"}, 3, 2),
    "a number in a step's headers": ({}, {"cf-aig-max-attempts": 2}, {}, None, 2),
    "request's headers before the gateway's": ({}, {}, {"cf-aig-max-attempts": "2"}, 3, 2),
    "the gateway's": ({}, {}, {}, 3, 3),
    "a wrong value counts as none": ({"maxAttempts": "many"}, {"cf-aig-max-attempts": "-1"}, {}, 2, 2),
    "none of an odd type": ({"maxAttempts": [3], "backoff": {}, "retryDelay": "x"}, {}, {"cf-aig-backoff": "?"}, 2, 2),
    "nobody says": ({}, {}, {}, None, 1),
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
async def test_who_has_the_word_on_retries(gateway: Gateway, simulator: Simulator, layers: Any) -> None:
    config, step_headers, headers, of_gateway, tried = layers
    settings = {**OPEN, **({} if of_gateway is None else {"retry_max_attempts": of_gateway})}
    assert (await gateway.manage("POST", "gateways", settings)).status_code == 200
    simulator.on(lambda _: True, Fault(status=500))
    step = {**OPENAI, "config": config, "headers": step_headers}
    given = {"cf-aig-authorization": gateway.headers["authorization"], **headers}
    assert (await universal(gateway, [step], given, "open")).status_code == 500
    assert len(simulator.requests) == tried
    assert not [name for name, _ in simulator.requests[-1].headers if name.startswith(b"cf-")]


@pytest.mark.parametrize(
    ("config", "headers"), [(IMPATIENT, {}), ({}, {"cf-aig-request-timeout": "50"})], ids=["config", "header"]
)
async def test_a_step_that_is_too_slow_is_left(
    gateway: Gateway, simulator: Simulator, config: Any, headers: dict[str, str]
) -> None:
    simulator.next(Fault(slow_first_byte_ms=NEVER_MS))
    slow = {**OPENAI, "config": {**config, "maxAttempts": 1}, "headers": headers}
    answer = await universal(gateway, [slow, ANTHROPIC])
    assert answer.status_code == 200 and step_of(answer) == "1"


async def test_the_only_step_that_is_too_slow(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(slow_first_byte_ms=NEVER_MS))
    assert problem(await universal(gateway, [{**OPENAI, "config": IMPATIENT}])) == (504, 2005)
    assert (await gateway.row())["status_code"] == 504


async def test_the_last_of_its_attempts_waits(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(slow_first_byte_ms=NEVER_MS), Fault(slow_first_byte_ms=300))
    answer = await universal(gateway, [{**OPENAI, "config": {**IMPATIENT, "maxAttempts": 2}}])
    assert answer.status_code == 200 and len(simulator.requests) == 2


@pytest.mark.parametrize("endpoint", ["chat/completions", "/chat/completions"])
async def test_compat_as_a_step(gateway: Gateway, simulator: Simulator, endpoint: str) -> None:
    simulator.next(Fault(status=500))
    answer = await universal(gateway, [OPENAI, {**COMPAT, "endpoint": endpoint}])
    assert answer.status_code == 200 and step_of(answer) == "1"
    assert answer.json()["choices"][0]["message"]["content"] == "yes"
    assert asked_of(simulator)[1] == "/v1/messages"
    row = await gateway.row()
    assert (row["provider"], row["step"]) == ("anthropic", 1)


async def test_compat_that_fails(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=529))
    answer = await universal(gateway, [COMPAT])
    assert answer.status_code == 529 and set(answer.json()["error"]) >= {"message", "type", "code"}  # OpenAI's shape
    simulator.next(Fault(status=529))
    answer = await universal(gateway, [COMPAT, OPENAI])
    assert answer.status_code == 200 and step_of(answer) == "1"
    answer = await universal(gateway, [{**COMPAT, "query": {**COMPAT["query"], "model": "gpt-4o"}}])
    assert problem(answer) == (400, 2019)


async def test_a_platform_model_as_a_step(gateway: Gateway, simulator: Simulator) -> None:
    step = {"provider": "workers-ai", "endpoint": "@cf/nobody/nothing", "query": {"messages": USER}}
    assert problem(await universal(gateway, [step])) == (404, 7003)
    answer = await universal(gateway, [step, OPENAI])
    assert answer.status_code == 200 and step_of(answer) == "1"


async def test_what_a_step_says_of_its_row(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=500))
    steps = [
        {**OPENAI, "headers": {"cf-aig-metadata": {"leg": 0}, "cf-aig-event-id": "first"}},
        {**ANTHROPIC, "headers": {"cf-aig-metadata": {"leg": 1}, "anthropic-version": "2023-06-01"}},
    ]
    answer = await universal(gateway, steps)
    row = await gateway.row()
    assert msgspec.json.decode(row["metadata"]) == {"leg": 1}
    assert answer.headers["cf-aig-event-id"] == row["event_id"] == row["id"]
    silent = [{**OPENAI, "headers": {"cf-aig-collect-log": False}}]
    assert "cf-aig-log-id" not in (await universal(gateway, silent)).headers
    assert len(await gateway.rows()) == 1


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_stream_that_begins_with_an_error(gateway: Gateway, simulator: Simulator, attempts: int) -> None:
    stream = {**ANTHROPIC, "query": {**ANTHROPIC["query"], "stream": True}, "config": {"maxAttempts": attempts}}
    simulator.next(*[Fault(error_event_after=0, status=529)] * attempts)
    answer = await universal(gateway, [stream, OPENAI])
    assert answer.status_code == 200 and step_of(answer) == "1" and len(simulator.requests) == attempts + 1
    simulator.next(*[Fault(error_event_after=0, status=529)] * attempts)
    answer = await universal(gateway, [stream])
    assert answer.status_code == 529 and answer.json()["type"] == "error"  # in the step's own dialect
    assert (await gateway.rows())[0]["success"] is False


def written(gateway: Gateway, steps: Any) -> bytes:
    """The bytes of a call, for a raw connection."""
    body = msgspec.json.encode(steps)
    head = (
        f"POST /v1/{gateway.running.account_id}/default HTTP/1.1\r\nhost: isthmus\r\n"
        f"cf-aig-authorization: {gateway.headers['authorization']}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def gone(gateway: Gateway) -> dict[str, Any]:
    """The row of a call whose caller has left: written as soon as the gateway has seen it."""
    async with asyncio.timeout(5):
        while not (rows := await gateway.rows_or_none()):
            await asyncio.sleep(0)
    return rows[0]


async def test_leaving_while_the_second_step_is_waited_for(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=500), Fault(slow_first_byte_ms=NEVER_MS))
    _, writer = await gateway.connect()
    writer.write(written(gateway, [OPENAI, ANTHROPIC]))
    await simulator.seen(2)
    writer.close()
    await asyncio.wait_for(simulator.requests[-1].closed_early.wait(), 5)
    row = await gone(gateway)
    assert (row["status_code"], row["end"], row["step"], row["provider"]) == (499, "caller_left", 1, "anthropic")


async def test_leaving_between_two_attempts(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=500))
    _, writer = await gateway.connect()
    writer.write(written(gateway, [{**OPENAI, "config": {"maxAttempts": 5, "retryDelay": 60_000}}]))
    request = await simulator.seen(1)
    await asyncio.wait_for(request.answered.wait(), 5)
    writer.close()
    row = await gone(gateway)
    assert (row["status_code"], row["end"]) == (499, "caller_left") and len(simulator.requests) == 1


async def test_compat_that_is_too_slow(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(slow_first_byte_ms=NEVER_MS))
    answer = await universal(gateway, [{**COMPAT, "config": IMPATIENT}, OPENAI])
    assert answer.status_code == 200 and step_of(answer) == "1"


async def test_a_retry_waits_as_its_provider_asks(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=429, retry_after=1))
    answer = await universal(gateway, [{**OPENAI, "config": {"maxAttempts": 2}}])
    assert answer.status_code == 200
    first, second = simulator.requests
    assert second.received_at - first.received_at >= 1
    simulator.next(Fault(status=429, retry_after=3600))
    answer = await universal(gateway, [{**OPENAI, "config": {"maxAttempts": 2}}])
    assert answer.status_code == 429 and answer.headers["retry-after"] == "3600"
