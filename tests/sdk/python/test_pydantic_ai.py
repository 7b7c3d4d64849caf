"""Agents of pydantic-ai over the SDKs: a loop with a tool, and answers of a type, at each kind of target."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from pydantic_ai import Agent, ModelSettings, NativeOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import AgentStreamEvent, ThinkingPart
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIChatModelSettings,
    OpenAIResponsesModel,
    OpenAIResponsesModelSettings,
)
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from sdk.python.caller import Place
from sdk.targets import Target, each_provider, each_target, each_way

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKED = 'What is the weather in Paris? call get_weather with {"city":"Paris"}'
ROOM = 40
# What it would guess from names that it does not know.
PROFILE = ModelProfile(supports_json_schema_output=True, supports_thinking=True)


class Agents:
    """Makes the model of one kind; `reasons` are the settings that ask it to think."""

    def __init__(self, kind: str, client: Any) -> None:
        self.kind = kind
        self._client = client

    def model(self, name: str) -> Model:
        if self.kind == "anthropic":
            return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=self._client), profile=PROFILE)
        provider = OpenAIProvider(openai_client=self._client)
        if self.kind == "openai-chat":
            return OpenAIChatModel(name, provider=provider, profile=PROFILE)
        return OpenAIResponsesModel(name, provider=provider, profile=PROFILE)

    def settings(self, target: Target) -> ModelSettings:
        return ModelSettings(max_tokens=ROOM) if target.is_local else ModelSettings()

    def reasons(self, target: Target) -> Any:
        if self.kind == "anthropic":
            budget: Any = {"type": "enabled", "budget_tokens": 2000}
            adaptive: Any = {"type": "adaptive"}
            thinks = adaptive if target.id == "claude-adaptive" else budget
            return AnthropicModelSettings(max_tokens=6000, anthropic_thinking=thinks)
        if self.kind == "openai-chat":
            return OpenAIChatModelSettings(openai_reasoning_effort="low")
        return OpenAIResponsesModelSettings(openai_reasoning_effort="low", openai_reasoning_summary="auto")


@pytest_asyncio.fixture(loop_scope="session", scope="session", params=["openai-chat", "openai-responses", "anthropic"])
async def agents(request: pytest.FixtureRequest, served: Any) -> AsyncIterator[Agents]:
    """One client for all of them, and so one event loop."""
    client: Any
    if request.param == "anthropic":
        client = anthropic.AsyncAnthropic(base_url=served.ai, auth_token=served.token, max_retries=0)
    else:
        client = openai.AsyncOpenAI(base_url=f"{served.ai}/v1", api_key=served.token, max_retries=0)
    async with client:
        yield Agents(request.param, client)


def weather_agent(model: Model, settings: Any, asked: list[str]) -> Agent[None, str]:
    agent = Agent(model, model_settings=settings)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "18 degrees"

    return agent


@each_way
@each_target
async def test_a_tool(agents: Agents, target: Target, stream: bool) -> None:
    asked: list[str] = []
    agent = weather_agent(agents.model(target.model), agents.settings(target), asked)
    heard: list[AgentStreamEvent] = []

    async def hear(_: object, events: AsyncIterable[AgentStreamEvent]) -> None:
        heard.extend([event async for event in events])

    answer = await agent.run(ASKED, event_stream_handler=hear if stream else None)
    usage = answer.usage
    assert answer.output and usage.requests == 2 and usage.input_tokens > 0 and usage.output_tokens > 0
    assert len(asked) == 1 and asked[0] and bool(heard) is stream
    if not target.is_local:
        assert asked == ["Paris"] and "18 degrees" in answer.output


@each_target
async def test_an_answer_of_a_type_by_a_tool(agents: Agents, target: Target) -> None:
    """The model is made to call a tool of pydantic-ai's own."""
    agent = Agent(agents.model(target.model), output_type=Place, model_settings=agents.settings(target))
    answer = await agent.run('Where is France? call final_result with {"continent":"Europe","island":false}')
    assert isinstance(answer.output, Place)
    if not target.is_local:
        assert answer.output == Place(continent="Europe", island=False)


@each_target
async def test_an_answer_of_a_type_by_its_schema(agents: Agents, target: Target) -> None:
    agent = Agent(agents.model(target.model), output_type=NativeOutput(Place), model_settings=agents.settings(target))
    answer = await agent.run('Where is France? Answer in JSON. echo: {"continent":"Europe","island":false}')
    assert isinstance(answer.output, Place)


@each_provider
async def test_reasoning_goes_on_after_a_tool(agents: Agents, target: Target) -> None:
    assert target.thinking is not None
    asked: list[str] = []
    agent = weather_agent(agents.model(target.thinking), agents.reasons(target), asked)
    answer = await agent.run(ASKED)
    assert asked == ["Paris"] and "18 degrees" in answer.output
    thoughts = [part for message in answer.all_messages() for part in message.parts if isinstance(part, ThinkingPart)]
    if target.shows_thoughts and agents.kind != "openai-chat":
        assert any(part.content for part in thoughts)


@each_provider
async def test_the_provider_wants_less(agents: Agents, target: Target) -> None:
    with pytest.raises(ModelHTTPError) as caught:
        await Agent(agents.model(target.model)).run("hello [[sim: fault=429 retry_after=7]]")
    assert caught.value.status_code == 429
