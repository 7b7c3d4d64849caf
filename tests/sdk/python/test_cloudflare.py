"""Cloudflare's SDK, and `/ai/run` by hand: platform models in the native form, others in their provider's."""

from __future__ import annotations

import json
from typing import Any

import cloudflare
import pytest
from cloudflare.types.ai.ai_run_response import UnionMember8

from sdk.targets import LOCAL

OPENAI = "openai/gpt-4o"
ANTHROPIC = "anthropic/claude-haiku-4.5"
MODELS = [LOCAL, OPENAI, ANTHROPIC]
CAPITAL = "What is the capital of France? Answer in one sentence. echo: It is Paris."
FEW: dict[str, Any] = {"max_tokens": 30, "temperature": 0}


def said(model: str, answer: Any) -> str:
    """Each in its own form (data-plane 4.2)."""
    text: str
    if model == LOCAL:
        text = UnionMember8.model_validate(answer, strict=True).response
        assert answer["usage"]["completion_tokens"] > 0 and "gatewayMetadata" not in answer
        return text
    assert answer["gatewayMetadata"] == {"keySource": "Unified"}
    if model == OPENAI:
        assert answer["object"] == "chat.completion" and answer["usage"]["completion_tokens"] > 0
        text = answer["choices"][0]["message"]["content"]
    else:
        assert answer["type"] == "message" and answer["usage"]["output_tokens"] > 0
        text = answer["content"][0]["text"]
    return text


@pytest.mark.parametrize("model", MODELS)
def test_a_prompt(cloudflare_client: cloudflare.Cloudflare, served: Any, model: str) -> None:
    """It has only a native form, and so has its answer, whoever gives it."""
    answer: Any = cloudflare_client.ai.run(model, account_id=served.account, prompt=CAPITAL, **FEW)
    native = UnionMember8.model_validate(answer, strict=True)
    assert "Paris" in native.response
    assert native.usage is not None and native.usage.completion_tokens
    assert answer.get("gatewayMetadata") == (None if model == LOCAL else {"keySource": "Unified"})


@pytest.mark.parametrize("model", MODELS)
def test_messages(cloudflare_client: cloudflare.Cloudflare, served: Any, model: str) -> None:
    turns: Any = [{"role": "user", "content": CAPITAL}]
    answer = cloudflare_client.ai.run(model, account_id=served.account, messages=turns, **FEW)
    assert "Paris" in said(model, answer)


async def test_async(served: Any) -> None:
    url = f"{served.url}/client/v4"
    async with cloudflare.AsyncCloudflare(base_url=url, api_token=served.token, max_retries=0) as client:
        answer: Any = await client.ai.run(LOCAL, account_id=served.account, prompt=CAPITAL, **FEW)
    assert "Paris" in answer["response"]


def test_tools(cloudflare_client: cloudflare.Cloudflare, served: Any) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools: Any = [{"name": "get_weather", "description": "The weather of a city", "parameters": schema}]
    turns: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer: Any = cloudflare_client.ai.run(LOCAL, account_id=served.account, messages=turns, tools=tools, **FEW)
    (call,) = answer["tool_calls"]
    assert call["name"] == "get_weather" and isinstance(call["arguments"]["city"], str)


def test_errors_carry_our_codes(cloudflare_client: cloudflare.Cloudflare, served: Any) -> None:
    with pytest.raises(cloudflare.NotFoundError) as caught:
        cloudflare_client.ai.run("@cf/nobody/nothing", account_id=served.account, prompt="hello")
    assert [problem.code for problem in caught.value.errors] == [7003]
    with pytest.raises(cloudflare.BadRequestError) as refused:
        cloudflare_client.ai.run(LOCAL, account_id=served.account, messages=[])
    assert [problem.code for problem in refused.value.errors] == [7001]
    turns: Any = [{"role": "user", "content": "hello [[sim: fault=429 retry_after=7]]"}]
    with pytest.raises(cloudflare.RateLimitError) as throttled:
        cloudflare_client.ai.run(OPENAI, account_id=served.account, messages=turns)
    assert throttled.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("model", MODELS)
def test_run(served: Any, model: str) -> None:
    body = {"model": model, "input": {"messages": [{"role": "user", "content": CAPITAL}], **FEW}, "options": {}}
    answer = served.client.post(f"{served.ai}/run", json=body)
    assert answer.status_code == 200, answer.text
    envelope = answer.json()
    assert set(envelope) == {"result", "success", "errors", "messages"}
    assert (envelope["success"], envelope["errors"], envelope["messages"]) == (True, [], [])
    assert "Paris" in said(model, envelope["result"])
    row = served.row(answer.headers["cf-aig-log-id"])
    assert (row["model"], row["request_type"], row["success"]) == (model, "run", True)


@pytest.mark.parametrize("inside", [True, False], ids=["in input", "beside input"])
@pytest.mark.parametrize("model", MODELS)
def test_run_streamed(served: Any, model: str, inside: bool) -> None:
    wanted = {"messages": [{"role": "user", "content": CAPITAL}], **FEW}
    body: dict[str, Any] = {"model": model, "input": wanted}
    (wanted if inside else body)["stream"] = True
    answer = served.client.post(f"{served.ai}/run", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [block for block in answer.text.split("\n\n") if block]
    values = [json.loads(event.rpartition("data: ")[2]) for event in events if not event.endswith("[DONE]")]
    if model == LOCAL:
        text = "".join(value["response"] for value in values)
        assert values[-1]["usage"]["completion_tokens"] > 0 and events[-1] == "data: [DONE]"
    elif model == OPENAI:
        text = "".join(value["choices"][0]["delta"].get("content") or "" for value in values if value["choices"])
        assert {value["object"] for value in values} == {"chat.completion.chunk"} and events[-1] == "data: [DONE]"
    else:
        text = "".join(value["delta"]["text"] for value in values if value["type"] == "content_block_delta")
        assert values[0]["type"] == "message_start" and values[-1]["type"] == "message_stop"
    assert "Paris" in text
    assert served.row(answer.headers["cf-aig-log-id"])["tokens_out"] > 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_run_with_a_prompt(served: Any, model: str, stream: bool) -> None:
    body = {"model": model, "input": {"prompt": CAPITAL, "stream": stream}}
    answer = served.client.post(f"{served.ai}/run", json=body)
    assert answer.status_code == 200, answer.text
    if stream:
        values = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
        assert "".join(value["response"] for value in values) == "It is Paris."
    else:
        assert answer.json()["result"]["response"] == "It is Paris."


@pytest.mark.parametrize("fault", ["empty_body", "malformed_json", "truncated", "fault=500"])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_run_wraps_no_nonsense(served: Any, model: str, fault: str) -> None:
    turns = [{"role": "user", "content": f"hello [[sim: {fault}]]"}]
    answer = served.client.post(f"{served.ai}/run", json={"model": model, "input": {"messages": turns, **FEW}})
    envelope = answer.json()
    assert answer.status_code >= 500 and (envelope["result"], envelope["success"]) == (None, False)
    assert [problem["code"] for problem in envelope["errors"]] == [2005]


def test_run_of_responses(served: Any) -> None:
    for model in (OPENAI, LOCAL):
        body = {"model": model, "input": {"input": CAPITAL, "max_output_tokens": 30, "temperature": 0}}
        result = served.client.post(f"{served.ai}/run", json=body).json()["result"]
        assert result["object"] == "response" and "Paris" in result["output"][0]["content"][0]["text"]
