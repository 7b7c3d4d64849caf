"""Google's SDK, in what the matrix does not look at: its own loop of functions, asynchronous calls, counting, rows,
answers that break off.
"""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from sdk.targets import Target, each_provided, each_provider, each_target, each_way, logged

CAPITAL = "What is the capital of France? Answer in one sentence. echo: It is Paris."
ROOM = 40
NOBODY: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusted over TLS, which nobody speaks here: each client would else read all authorities, twice."""


def client(served: Any, version: str = "v1beta") -> genai.Client:
    options = types.HttpOptions(base_url=served.ai, api_version=version, timeout=60_000)
    options.client_args, options.async_client_args = {"verify": NOBODY}, {"verify": NOBODY, "ssl": NOBODY}
    return genai.Client(api_key=served.token, http_options=options)


def few(target: Target) -> types.GenerateContentConfig:
    room: Any = {"max_output_tokens": ROOM, "temperature": 0} if target.is_local else {}
    return types.GenerateContentConfig(**room)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@each_target
def test_a_call_has_its_row(served: Any, target: Target, version: str) -> None:
    with client(served, version) as google:
        answer = google.models.generate_content(model=target.model, contents=CAPITAL, config=few(target))
    assert "Paris" in (answer.text or "") and answer.response_id and answer.model_version
    usage = answer.usage_metadata
    assert usage is not None and usage.prompt_token_count and usage.candidates_token_count
    spent = usage.prompt_token_count + usage.candidates_token_count + (usage.thoughts_token_count or 0)
    assert usage.total_token_count == spent
    assert answer.sdk_http_response is not None and answer.sdk_http_response.headers is not None
    row = served.row(answer.sdk_http_response.headers["cf-aig-log-id"])
    assert (row["model"], row["request_type"]) == (logged(target.model), "generate_content")
    assert (row["success"], row["status_code"], row["streamed"]) == (True, 200, False)
    assert row["tokens_in"] == usage.prompt_token_count


def test_a_bare_name_is_googles_own(served: Any) -> None:
    with client(served) as google:
        answer = google.models.generate_content(model="gemini-2.5-flash", contents="echo: hello")
    assert answer.text == "hello"


@each_way
@each_target
async def test_async(served: Any, target: Target, stream: bool) -> None:
    given: Any = {"model": target.model, "contents": CAPITAL, "config": few(target)}
    async with client(served).aio as google:
        if stream:
            chunks = [chunk async for chunk in await google.models.generate_content_stream(**given)]
            text = "".join(chunk.text or "" for chunk in chunks)
        else:
            text = (await google.models.generate_content(**given)).text or ""
    assert "Paris" in text


@each_provider
def test_a_chat_calls_functions_by_itself(served: Any, target: Target) -> None:
    """The SDK describes the function, calls it, and sends on what it returns."""
    asked: list[str] = []

    def get_weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "18 degrees"

    with client(served) as google:
        chat = google.chats.create(model=target.model, config=types.GenerateContentConfig(tools=[get_weather]))
        answer = chat.send_message('What is the weather in Paris? call get_weather with {"city":"Paris"}')
        assert asked == ["Paris"] and "18 degrees" in (answer.text or "")
        assert chat.send_message("echo: hello").text == "hello"


@each_target
def test_tokens_are_counted(served: Any, target: Target) -> None:
    with client(served) as google:
        counted = google.models.count_tokens(model=target.model, contents=CAPITAL)
    assert counted.total_tokens is not None and 5 < counted.total_tokens < 60


@pytest.mark.parametrize("fault", ["reset", "empty_body", "malformed_json", "wrong_content_type", "truncated"])
@each_provided
def test_the_provider_speaks_nonsense(served: Any, model: str, fault: str) -> None:
    with client(served) as google, pytest.raises(errors.ServerError) as caught:
        google.models.generate_content(model=model, contents=f"hello [[sim: fault={fault}]]")
    assert caught.value.code == 502


@pytest.mark.parametrize("how", ["error_event=6", "cut_after=6", "reset_after=6", "end_after=6"])
@each_provided
def test_a_stream_that_breaks_off_is_an_error(served: Any, model: str, how: str) -> None:
    """Never a short answer that looks like a whole one."""
    heard: list[Any] = []
    contents = f"Tell a story. [[sim: events=20 delay_ms=2 {how}]]"
    with client(served) as google, pytest.raises(errors.APIError):
        heard.extend(google.models.generate_content_stream(model=model, contents=contents))
