"""Google's own SDK takes the simulator for Gemini, in the version of the API that it asks for itself."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from isthmus.simulator import Fault, Simulator

OLDER, NEWER = "gemini-2.5-flash", "gemini-3.5-flash"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
DECLARED = types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
WEATHER = types.Tool(function_declarations=[DECLARED])


@pytest.fixture(params=[None, "v1beta"], ids=["own", "v1beta"])
async def client(simulator: Simulator, request: pytest.FixtureRequest):
    options = types.HttpOptions(base_url=simulator.base_url, api_version=request.param)
    sdk = genai.Client(api_key="k", http_options=options)
    yield sdk.aio
    await sdk.aio.aclose()
    sdk.close()


async def test_chat(client: Any) -> None:
    whole = await client.models.generate_content(model=OLDER, contents="hello")
    stream = await client.models.generate_content_stream(model=OLDER, contents="hello")
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text != ""
    assert chunks[-1].usage_metadata.total_token_count == whole.usage_metadata.total_token_count
    assert chunks[-1].candidates[0].finish_reason == whole.candidates[0].finish_reason == types.FinishReason.STOP


async def test_conversation(client: Any) -> None:
    chat = client.chats.create(model=NEWER, config={"system_instruction": "Be brief."})
    first = await chat.send_message("echo: one")
    second = await chat.send_message("echo: two")
    assert (first.text, second.text, len(chat.get_history())) == ("one", "two", 4)


@pytest.mark.parametrize("model", [OLDER, NEWER])
async def test_tools(model: str, client: Any) -> None:
    """The signature of a call, which is bytes to the SDK, goes there and back."""
    config = types.GenerateContentConfig(tools=[WEATHER])
    asked = types.UserContent("call get_weather and call get_weather")
    stream = await client.models.generate_content_stream(model=model, contents=[asked], config=config)
    parts = [part async for chunk in stream for part in chunk.candidates[0].content.parts or ()]
    calls = [part for part in parts if part.function_call]
    assert [call.function_call.name for call in calls] == ["get_weather", "get_weather"]
    assert calls[0].thought_signature and not calls[1].thought_signature
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                name=call.function_call.name, id=call.function_call.id, response={"output": "18 degrees"}
            )
        )
        for call in calls
    ]
    contents = [asked, types.ModelContent(calls), types.UserContent(results)]
    after = await client.models.generate_content(model=model, contents=contents, config=config)
    assert "18 degrees / 18 degrees" in after.text


async def test_pictures(client: Any) -> None:
    contents = [types.Part.from_bytes(data=PNG, mime_type="image/png"), "What is it?"]
    answer = await client.models.generate_content(model=OLDER, contents=contents)
    modalities = {row.modality for row in answer.usage_metadata.prompt_tokens_details}
    assert answer.text and modalities == {types.MediaModality.TEXT, types.MediaModality.IMAGE}


async def test_structured_output(client: Any) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=SCHEMA)
    answer = await client.models.generate_content(model=NEWER, contents="where?", config=config)
    assert isinstance(answer.parsed["city"], str)
    own = types.Schema(type=types.Type.ARRAY, items=types.Schema(type=types.Type.INTEGER), min_items=2)
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=own)
    answer = await client.models.generate_content(model=OLDER, contents="which?", config=config)
    assert len(answer.parsed) >= 2


async def test_thinking(client: Any) -> None:
    for model, asked in ((OLDER, {"thinking_budget": 512}), (NEWER, {"thinking_level": "low"})):
        thinking = types.ThinkingConfig(include_thoughts=True, **asked)
        config = types.GenerateContentConfig(thinking_config=thinking)
        answer = await client.models.generate_content(model=model, contents="hello", config=config)
        first, second = answer.candidates[0].content.parts
        assert first.thought and first.text and second.text == answer.text
        assert bool(second.thought_signature) == (model == NEWER)
        assert answer.usage_metadata.thoughts_token_count > 8


async def test_search_and_block(client: Any) -> None:
    config = types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])
    answer = await client.models.generate_content(model=OLDER, contents="Who won?", config=config)
    found = answer.candidates[0].grounding_metadata
    assert found.web_search_queries == ["Who won?"] and found.grounding_chunks[0].web.uri
    blocked = await client.models.generate_content(model=OLDER, contents="[[sim: block_reason=SAFETY]] x")
    assert blocked.prompt_feedback.block_reason == "SAFETY" and not blocked.candidates


async def test_counting(client: Any) -> None:
    counted = await client.models.count_tokens(model=OLDER, contents="hello")
    answer = await client.models.generate_content(model=OLDER, contents="hello")
    assert counted.total_tokens == answer.usage_metadata.prompt_token_count
    assert "models/gemini-2.5-pro" in {model.name async for model in await client.models.list()}


@pytest.mark.parametrize(
    ("fault", "code", "kind"),
    [
        (Fault(status=429, retry_after=7), 429, errors.ClientError),
        (Fault(status=403), 403, errors.ClientError),
        (Fault(status=500), 500, errors.ServerError),
        (Fault(error_event_after=2, status=503), 503, errors.ServerError),
    ],
    ids=["429", "403", "500", "event"],
)
async def test_errors(fault: Fault, code: int, kind: type[Exception], simulator: Simulator, client: Any) -> None:
    simulator.next(fault)
    with pytest.raises(kind) as raised:
        async for _ in await client.models.generate_content_stream(model=OLDER, contents="hello"):
            pass
    assert raised.value.code == code


async def test_sync_client(simulator: Simulator) -> None:
    def ask() -> str:
        with genai.Client(api_key="k", http_options=types.HttpOptions(base_url=simulator.base_url)) as sdk:
            return str(sdk.models.generate_content(model=OLDER, contents="echo: here").text)

    assert await asyncio.to_thread(ask) == "here"


async def test_vertex(simulator: Simulator) -> None:
    options = types.HttpOptions(base_url=simulator.base_url, api_version="v1")
    given: Any = {"project": "p", "location": "us-central1", "credentials": Credentials(token="ya29.test")}
    config = types.GenerateContentConfig(tools=[WEATHER])
    asked = types.UserContent("call get_weather")
    with genai.Client(vertexai=True, http_options=options, **given) as sdk:
        async with sdk.aio as client:
            stream = await client.models.generate_content_stream(model=NEWER, contents=[asked], config=config)
            parts = [part async for chunk in stream for part in chunk.candidates[0].content.parts or ()]
            answered = types.Part.from_function_response(name="get_weather", response={"output": "18 degrees"})
            contents = [asked, types.ModelContent(parts[:1]), types.UserContent([answered])]
            after = await client.models.generate_content(model=NEWER, contents=contents, config=config)
            assert "18 degrees" in after.text and parts[0].thought_signature and not parts[0].function_call.id
