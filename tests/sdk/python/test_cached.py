"""Answers that are given again, as the official SDKs read them: what they make of a kept one is what they made of the
first, whole, streamed and across dialects. Their strict reading holds each event to the vendor's own types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from sdk.python.anthropic_messages import AnthropicMessages
from sdk.python.caller import WEATHER, Caller, Question, Told
from sdk.python.google_genai import GoogleGenAI
from sdk.python.openai_chat import OpenAIChat
from sdk.python.openai_responses import OpenAIResponses

GATEWAY = "cached-sdk"
HEADERS = {"cf-aig-gateway-id": GATEWAY}
NAMES = ("openai-chat", "openai-responses", "anthropic", "google-genai")
MODELS = ("openai/gpt-4o", "anthropic/claude-haiku-4.5", "google/gemini-2.5-flash", "lab/gpt-4o")
THINKERS = ("openai/gpt-5.5", "anthropic/claude-sonnet-4.5", "google/gemini-2.5-flash")
ROOM = 300
each_caller = pytest.mark.parametrize("name", NAMES)
each_way = pytest.mark.parametrize("way", ["ask", "stream"])


@pytest.fixture(scope="module")
def gateway(served: Any) -> str:
    settings = {
        "id": GATEWAY,
        "cache_invalidate_on_update": False,
        "cache_ttl": 600,
        "collect_logs": True,
        "rate_limiting_interval": 0,
        "rate_limiting_limit": 0,
    }
    address = f"{served.url}/client/v4/accounts/{served.account}/ai-gateway/gateways"
    assert served.client.post(address, json=settings).status_code == 200
    return f"{address}/{GATEWAY}/logs?per_page=1"


@pytest.fixture(scope="module")
def cached(
    served: Any, gateway: str, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> Iterator[dict[str, Caller]]:
    ours = openai_client.with_options(default_headers=HEADERS)
    google = GoogleGenAI(served.ai, served.token, headers=HEADERS)
    claude = AnthropicMessages(anthropic_client.with_options(default_headers=HEADERS))
    yield {each.name: each for each in (OpenAIChat(ours), OpenAIResponses(ours), claude, google)}
    google.close()


@pytest.fixture
def told(served: Any, gateway: str, cached: dict[str, Caller]) -> Any:
    """What the SDK was told, and whether its row says that no provider was asked."""

    def ask(name: str, way: str, model: str, question: Question) -> tuple[Told, bool]:
        found: Told = getattr(cached[name], way)(model, question)
        (row,) = served.client.get(gateway).json()["result"]
        return found, row["cached"]

    return ask


def said(found: Told) -> Any:
    """In every dialect."""
    calls = [(call.name, call.arguments) for call in found.calls]
    return found.text, calls, found.input_tokens, found.output_tokens


@pytest.mark.parametrize("model", MODELS)
@each_way
@each_caller
def test_one_answer_for_every_sdk(told: Any, name: str, way: str, model: str) -> None:
    names = [each for each in NAMES if each != "anthropic" or not model.startswith("anthropic/")]
    if name not in names:
        return  # with a room its caller sends a temperature, and Anthropic takes none from this SDK
    question = Question(text=f"Tell {name} {way} of {model}.", room=ROOM)
    first, hit = told(name, way, model, question)
    assert not hit and first.text
    for other in names:
        for another in ("ask", "stream"):
            again, hit = told(other, another, model, question)
            assert hit and said(again) == said(first), (other, another)
            assert other != name or again.ending == first.ending


@pytest.mark.parametrize("model", MODELS)
@each_way
@each_caller
def test_calls_of_tools(told: Any, cached: dict[str, Caller], name: str, way: str, model: str) -> None:
    """And what comes after them: a kept call's id is good for its result."""
    asked = f'Tools for {name} {way} of {model}. call get_weather with {{"city":"Paris"}}'
    question = Question(text=asked, tools=(WEATHER,))
    first, hit = told(name, way, model, question)
    assert not hit and [call.arguments for call in first.calls] == [{"city": "Paris"}]
    for another in ("ask", "stream"):
        again, hit = told(name, another, model, question)
        assert hit and said(again) == said(first) and again.ending == first.ending == cached[name].called
        turns = cached[name].answered(again, ["18 degrees"])
        after, _ = told(name, another, model, Question(turns=turns, tools=(WEATHER,)))
        assert "18 degrees" in after.text


@pytest.mark.parametrize("model", THINKERS)
@each_way
@each_caller
def test_thinking(told: Any, cached: dict[str, Caller], name: str, way: str, model: str) -> None:
    asked = f'Think for {name} {way} of {model}. call get_weather with {{"city":"Paris"}}'
    question = Question(text=asked, tools=(WEATHER,), thinks=True)
    first, hit = told(name, way, model, question)
    assert not hit
    for another in (way, "ask", "stream"):
        again, hit = told(name, another, model, question)
        if hit:
            assert said(again) == said(first) and again.thought == first.thought
            assert again.thinking_tokens == first.thinking_tokens
        assert hit or another != way
        turns = cached[name].answered(again, ["18 degrees"])  # what was thought goes back to who thought it
        after, _ = told(name, another, model, Question(turns=turns, tools=(WEATHER,), thinks=True))
        assert "18 degrees" in after.text
