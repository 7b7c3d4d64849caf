"""Google's SDK on generateContent, as the matrix drives it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from google import genai
from google.genai import errors, types

from sdk.python.caller import Called, Errors, Place, Question, Told

BUDGET = 2000
SCHEMA_TYPE = "application/json"


class GoogleGenAI:
    name = "google-genai"
    # One class for all that is the caller's to mend: `code` tells them apart.
    errors = Errors(
        unknown=errors.ClientError,
        bad=errors.ClientError,
        throttled=errors.ClientError,
        unauthenticated=errors.ClientError,
    )
    stopped = called = "STOP"
    sees_thoughts = True

    def __init__(
        self, base_url: str, token: str, version: str = "v1beta", headers: dict[str, str] | None = None
    ) -> None:
        self._base_url = base_url
        options = types.HttpOptions(base_url=base_url, api_version=version, timeout=60_000, headers=headers)
        self._client = genai.Client(api_key=token, http_options=options)

    def close(self) -> None:
        self._client.close()

    def ask(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        answer = self._client.models.generate_content(model=model, contents=turns, config=_given(model, question))
        content = answer.candidates[0].content if answer.candidates else None
        return _told(turns, [answer], content)

    def stream(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        given = _given(model, question)
        chunks = list(self._client.models.generate_content_stream(model=model, contents=turns, config=given))
        contents = [chunk.candidates[0].content for chunk in chunks if chunk.candidates]
        parts = [part for content in contents if content is not None for part in content.parts or ()]
        return _told(turns, chunks, types.Content(role="model", parts=parts))

    def answered(self, told: Told, outcomes: Sequence[str]) -> tuple[Any, ...]:
        results = [
            types.Part(
                function_response=types.FunctionResponse(id=call.id or None, name=call.name, response={"output": said})
            )
            for call, said in zip(told.calls, outcomes, strict=True)
        ]
        return (*told.turns, types.Content(role="user", parts=results))

    def parse(self, model: str, question: Question) -> Place:
        given = _given(model, question)
        given.response_mime_type, given.response_schema = SCHEMA_TYPE, Place
        answer = self._client.models.generate_content(model=model, contents=_turns(question), config=given)
        assert isinstance(answer.parsed, Place)
        return answer.parsed

    def blunder(self, model: str) -> None:
        wrong = types.HttpOptions(extra_body={"generationConfig": {"temperature": "hot"}})
        given = types.GenerateContentConfig(http_options=wrong)
        self._client.models.generate_content(model=model, contents="hello", config=given)

    def dialect_of(self, model: str) -> str:
        return self.name

    def with_token(self, token: str) -> GoogleGenAI:
        return GoogleGenAI(self._base_url, token)

    def retry_after(self, error: Any) -> str | None:
        found: str | None = error.response.headers.get("retry-after")
        return found


def _turns(question: Question) -> Any:
    if not question.text:
        return [*question.turns]
    parts = [types.Part(text=question.text)]
    if question.image is not None:
        parts.append(types.Part.from_bytes(data=base64.b64decode(question.image), mime_type="image/png"))
    return [*question.turns, types.Content(role="user", parts=parts)]


def _given(model: str, question: Question) -> types.GenerateContentConfig:
    given = types.GenerateContentConfig()
    if question.tools:
        declared = [
            types.FunctionDeclaration(
                name=function.name, description=function.description, parameters_json_schema=function.parameters
            )
            for function in question.tools
        ]
        given.tools = [types.Tool(function_declarations=declared)]
    if question.schema is not None:
        given.response_mime_type, given.response_json_schema = SCHEMA_TYPE, dict(question.schema)
    if question.thinks and "gemini-3" in model:
        given.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW)
    elif question.thinks:
        given.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_budget=BUDGET)
    if question.room is not None:
        given.max_output_tokens, given.temperature = question.room, 0
    return given


def _told(turns: list[Any], chunks: list[types.GenerateContentResponse], content: types.Content | None) -> Told:
    usage = next(chunk.usage_metadata for chunk in reversed(chunks) if chunk.usage_metadata is not None)
    endings = [candidate.finish_reason for chunk in chunks for candidate in chunk.candidates or ()]
    parts = (content.parts if content is not None else None) or []
    calls = [part.function_call for part in parts if part.function_call is not None]
    thoughts = usage.thoughts_token_count or 0
    return Told(
        text="".join(part.text or "" for part in parts if not part.thought),
        turns=(*turns, content),
        ending=next((ending.value for ending in reversed(endings) if ending is not None), None),
        input_tokens=usage.prompt_token_count or 0,
        output_tokens=(usage.candidates_token_count or 0) + thoughts,
        calls=tuple(Called(call.id or "", call.name or "", call.args) for call in calls),
        thought="".join(part.text or "" for part in parts if part.thought),
        thinking_tokens=thoughts,
    )
