"""OpenAI's SDK on responses, in what the matrix does not look at: fields, rows, asynchronous calls."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from sdk.targets import LOCAL, each_model, each_provided, logged

CAPITAL = "What is the capital of France? Answer in one sentence. echo: It is Paris."
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": False,
}
ASKED = 'What is the weather in Paris? call get_weather with {"city":"Paris"}'


def few(model: str) -> dict[str, Any]:
    """The local model is asked to be short and dull; Others say what they want to."""
    return {"max_output_tokens": 30, "temperature": 0} if model == LOCAL else {}


@each_model
def test_whole(openai_client: openai.OpenAI, served: Any, model: str) -> None:
    raw = openai_client.responses.with_raw_response.create(
        model=model, input=CAPITAL, instructions="Be brief.", **few(model)
    )
    answer = raw.parse()
    assert (answer.object, answer.status, answer.error) == ("response", "completed", None)
    assert "Paris" in answer.output_text and answer.id.startswith("resp_")
    assert answer.usage is not None and answer.usage.output_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    row = served.row(raw.headers["cf-aig-log-id"])
    assert (row["model"], row["request_type"], row["success"]) == (logged(model), "responses", True)
    assert (row["tokens_in"], row["tokens_out"]) == (answer.usage.input_tokens, answer.usage.output_tokens)


@each_model
def test_streamed(openai_client: openai.OpenAI, served: Any, model: str) -> None:
    raw = openai_client.responses.with_raw_response.create(model=model, input=CAPITAL, stream=True, **few(model))
    events: list[Any] = list(raw.parse())
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    (done,) = [event.text for event in events if event.type == "response.output_text.done"]
    assert "Paris" in text and text == done == events[-1].response.output_text
    assert events[-1].response.usage.output_tokens > 0
    row = served.row(raw.headers["cf-aig-log-id"])
    assert (row["success"], row["streamed"]) == (True, True)
    assert row["tokens_out"] == events[-1].response.usage.output_tokens


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_model
async def test_async(async_openai: openai.AsyncOpenAI, model: str, stream: bool) -> None:
    if stream:
        async with async_openai.responses.stream(model=model, input=CAPITAL, **few(model)) as events:
            answer: Any = await events.get_final_response()
    else:
        answer = await async_openai.responses.create(model=model, input=CAPITAL, **few(model))
    assert "Paris" in answer.output_text


@each_provided
def test_a_stored_answer_goes_on(openai_client: openai.OpenAI, model: str) -> None:
    """It is kept here: any model can go on from it."""
    first = openai_client.responses.create(model="openai/gpt-5.5", input=ASKED, tools=[WEATHER])
    (call,) = [item for item in first.output if item.type == "function_call"]
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
    given: Any = {"input": [output], "tools": [WEATHER], "previous_response_id": first.id}
    after = openai_client.responses.create(model=model, **given)
    assert "18 degrees" in after.output_text and after.previous_response_id == first.id
    openai_client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError, match=r"previous_response_id|not found"):
        openai_client.responses.create(model=model, **given)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_model
def test_an_answer_that_was_cut_for_its_length(openai_client: openai.OpenAI, model: str, stream: bool) -> None:
    text = "Tell a long story. [[sim: tokens=200]]"
    given: Any = {"model": model, "input": text, **few(model), "max_output_tokens": 16}
    if stream:
        with openai_client.responses.stream(**given) as events:
            heard: list[Any] = [event for event in events if event.type.startswith("response.")]
        answer: Any = heard[-1].response
    else:
        answer = openai_client.responses.create(**given)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"
