"""Each way to call the gateway from Python, ready for the matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import cloudflare
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

from sdk.python.anthropic_messages import ADAPTIVE, BUDGET, ROOM, AnthropicMessages
from sdk.python.caller import Caller, Question
from sdk.python.cloudflare_run import CloudflareRun
from sdk.python.google_genai import GoogleGenAI
from sdk.python.langchain_models import LangChain
from sdk.python.openai_chat import OpenAIChat
from sdk.python.openai_responses import OpenAIResponses

CALLERS = (
    "openai-chat",
    "openai-responses",
    "anthropic",
    "google-genai",
    "cloudflare",
    "langchain-openai-chat",
    "langchain-openai-responses",
    "langchain-anthropic",
)


@pytest.fixture(scope="session")
def callers(
    served: Any,
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
    cloudflare_client: cloudflare.Cloudflare,
) -> Iterator[dict[str, Caller]]:
    chat, responses = OpenAIChat(openai_client), OpenAIResponses(openai_client)
    messages, google = AnthropicMessages(anthropic_client), GoogleGenAI(served.ai, served.token)
    run = CloudflareRun(cloudflare_client, served.account)
    all_of_them: list[Caller] = [
        chat,
        responses,
        messages,
        google,
        run,
        LangChain("langchain-openai-chat", _openai(served), _chat_settings, chat),
        LangChain("langchain-openai-responses", _openai(served), _responses_settings, responses),
        LangChain("langchain-anthropic", _anthropic(served), _anthropic_settings, messages),
    ]
    yield {each.name: each for each in all_of_them}
    google.close()


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest, callers: dict[str, Caller]) -> Caller:
    return callers[request.param]


def _openai(served: Any) -> Any:
    def make(token: str, model: str, settings: dict[str, Any]) -> ChatOpenAI:
        key: Any = token or served.token
        return ChatOpenAI(
            model=model, base_url=f"{served.ai}/v1", api_key=key, max_retries=0, stream_usage=True, **settings
        )

    return make


def _anthropic(served: Any) -> Any:
    def make(token: str, model: str, settings: dict[str, Any]) -> ChatAnthropic:
        key: Any = token or served.token
        return ChatAnthropic(model=model, base_url=served.ai, api_key=key, max_retries=0, **settings)  # type: ignore[call-arg]

    return make


def _chat_settings(model: str, question: Question) -> dict[str, Any]:
    settings: dict[str, Any] = {} if question.room is None else {"max_tokens": question.room, "temperature": 0}
    return {**settings, **({"reasoning_effort": "low"} if question.thinks else {})}


def _responses_settings(model: str, question: Question) -> dict[str, Any]:
    settings: dict[str, Any] = {"use_responses_api": True, "store": False}
    if question.room is not None:
        settings |= {"max_tokens": question.room, "temperature": 0}
    if question.thinks:
        settings["reasoning"] = {"effort": "low", "summary": "auto"}
        settings["include"] = ["reasoning.encrypted_content"]
    return settings


def _anthropic_settings(model: str, question: Question) -> dict[str, Any]:
    settings: dict[str, Any] = {"max_tokens": question.room or ROOM}
    if question.room is not None:
        settings["temperature"] = 0
    if question.thinks:
        budget = {"type": "enabled", "budget_tokens": BUDGET}
        settings["thinking"] = {"type": "adaptive"} if model.endswith(ADAPTIVE) else budget
    return settings
