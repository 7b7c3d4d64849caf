"""OpenAI's SDK on text completions: at models that speak them, and at all others."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from langchain_openai import OpenAI as LangChainOpenAI

from sdk.targets import LOCAL, PROVIDED, each_provided, logged

INSTRUCT = "openai/gpt-3.5-turbo-instruct"
MODELS = {"instruct": INSTRUCT, "local": LOCAL, **{target.id: target.model for target in PROVIDED}}
each_model = pytest.mark.parametrize("model", list(MODELS.values()), ids=list(MODELS))
CAPITAL = "What is the capital of France? Answer in one sentence. echo: It is Paris."
FEW: dict[str, Any] = {"max_tokens": 30, "temperature": 0}


def unchecked(chunk: Any) -> bool:
    """Until the last chunk of a choice its reason is null, for which the SDK's own type has no word."""
    return all(choice.finish_reason is None for choice in chunk.choices)


def check_row(served: Any, headers: Any, model: str, *, streamed: bool) -> None:
    row = served.row(headers["cf-aig-log-id"])
    assert (row["model"], row["success"], row["request_type"]) == (logged(model), True, "completions")
    assert row["streamed"] is streamed and row["tokens_in"] > 0 and row["tokens_out"] > 0


@each_model
def test_whole(openai_client: openai.OpenAI, served: Any, model: str) -> None:
    raw = openai_client.completions.with_raw_response.create(model=model, prompt=CAPITAL, **FEW)
    answer = raw.parse()
    (choice,) = answer.choices
    assert "Paris" in choice.text
    assert (choice.finish_reason, choice.index, answer.object) == ("stop", 0, "text_completion")
    assert answer.usage is not None and 0 < answer.usage.completion_tokens <= 30
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert not answer.model_extra
    check_row(served, raw.headers, model, streamed=False)


@pytest.mark.parametrize("include_usage", [True, False])
@each_model
def test_streamed(lenient: openai.OpenAI, served: Any, model: str, include_usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if include_usage else {}
    raw = lenient.completions.with_raw_response.create(model=model, prompt=CAPITAL, stream=True, **options, **FEW)
    chunks = list(raw.parse())
    said = [chunk for chunk in chunks if chunk.choices]
    assert "Paris" in "".join(chunk.choices[0].text for chunk in said)
    assert [chunk.choices[0].finish_reason for chunk in said if not unchecked(chunk)] == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1 and {chunk.object for chunk in chunks} == {"text_completion"}
    if include_usage:
        assert chunks[-1].choices == [] and chunks[-1].usage is not None
        assert 0 < chunks[-1].usage.completion_tokens <= 30
    else:
        assert said == chunks and not any(chunk.usage for chunk in chunks)
    check_row(served, raw.headers, model, streamed=True)


@pytest.fixture
def lenient(openai_client: openai.OpenAI) -> openai.OpenAI:
    """The SDK as users have it: it takes what its types say is wrong, as OpenAI's own streams are."""
    return openai_client.with_options(_extra_kwargs={"_strict_response_validation": False})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_model
async def test_async(served: Any, model: str, stream: bool) -> None:
    async with openai.AsyncOpenAI(base_url=f"{served.ai}/v1", api_key=served.token, max_retries=0) as client:
        answer: Any = await client.completions.create(model=model, prompt=CAPITAL, stream=stream, **FEW)
        if stream:
            text = "".join([chunk.choices[0].text async for chunk in answer if chunk.choices])
        else:
            text = answer.choices[0].text
    assert "Paris" in text


def test_all_that_it_can_be_asked(openai_client: openai.OpenAI) -> None:
    answer = openai_client.completions.create(
        model=INSTRUCT,
        prompt=["echo: a", "echo: b"],
        n=2,
        best_of=2,
        logprobs=1,
        echo=True,
        stop="never",
        seed=1,
        user="u",
    )
    assert [choice.text for choice in answer.choices] == ["echo: aa", "echo: aa", "echo: bb", "echo: bb"]
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None and "".join(logprobs.tokens or ()) == "echo: aa"


@each_provided
def test_what_a_chat_model_cannot_do(openai_client: openai.OpenAI, model: str) -> None:
    for prompt, more in ((["a", "b"], {}), ([1, 2], {}), ("a", {"suffix": "b"})):
        with pytest.raises(openai.BadRequestError) as caught:
            openai_client.completions.create(model=model, prompt=prompt, **more)
        assert caught.value.param == ("suffix" if more else "prompt")


@each_provided
def test_echo(openai_client: openai.OpenAI, model: str) -> None:
    raw = openai_client.completions.with_raw_response.create(model=model, prompt="echo: Hi", echo=True, max_tokens=500)
    assert raw.parse().choices[0].text == "echo: HiHi"
    assert 'emulated;field="echo"' in raw.headers["cf-aig-fidelity"]


@pytest.mark.parametrize("model", [INSTRUCT, "anthropic/claude-haiku-4.5"])
def test_errors(openai_client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError):
        openai_client.completions.create(model=f"{model}-nonesuch", prompt="a")
    with pytest.raises(openai.RateLimitError) as caught:
        openai_client.completions.create(model=model, prompt="hello [[sim: fault=429 retry_after=7]]")
    assert caught.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.BadRequestError):
        openai_client.completions.create(model=model, prompt="a", extra_body={"temperature": "hot"})
    with pytest.raises(openai.AuthenticationError):
        openai_client.with_options(api_key="not-the-token").completions.create(model=model, prompt="a")


@pytest.mark.parametrize("model", [INSTRUCT, "openai/gpt-4o", "anthropic/claude-haiku-4.5"])
def test_langchain(served: Any, model: str) -> None:
    key: Any = served.token
    chain = LangChainOpenAI(model=model, base_url=f"{served.ai}/v1", api_key=key, max_retries=0, **FEW)
    assert chain.invoke(CAPITAL) == "It is Paris."
    assert "".join(chain.stream(CAPITAL)) == "It is Paris."
