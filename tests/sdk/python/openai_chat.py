"""OpenAI's SDK on chat completions, as the matrix drives it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import openai

from sdk.python.caller import Called, Errors, Function, Place, Question, Told

ERRORS = Errors(
    unknown=openai.NotFoundError,
    bad=openai.BadRequestError,
    throttled=openai.RateLimitError,
    unauthenticated=openai.AuthenticationError,
)


class OpenAIChat:
    name = "openai-chat"
    errors = ERRORS
    stopped, called = "stop", "tool_calls"
    sees_thoughts = False  # there is no field to ask for them

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def ask(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        return _told(turns, self._client.chat.completions.create(model=model, messages=turns, **_given(question)))

    def stream(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        options: Any = {"include_usage": True}
        with self._client.chat.completions.stream(
            model=model, messages=turns, stream_options=options, **_given(question)
        ) as events:
            told = _told(turns, events.get_final_completion())
        # What the helper puts together has nulls and places that OpenAI refuses to be sent.
        message = told.turns[-1].model_dump(exclude_none=True, exclude={"parsed"})
        for call in message.get("tool_calls", ()):
            del call["index"]
        return dataclasses.replace(told, turns=(*turns, message))

    def answered(self, told: Told, outcomes: Sequence[str]) -> tuple[Any, ...]:
        pairs = zip(told.calls, outcomes, strict=True)
        return (*told.turns, *({"role": "tool", "tool_call_id": call.id, "content": said} for call, said in pairs))

    def parse(self, model: str, question: Question) -> Place:
        answer = self._client.chat.completions.parse(
            model=model, messages=_turns(question), response_format=Place, **_given(question)
        )
        parsed = answer.choices[0].message.parsed
        assert parsed is not None
        return parsed

    def blunder(self, model: str) -> None:
        turns = _turns(Question(text="hello"))
        self._client.chat.completions.create(model=model, messages=turns, extra_body={"temperature": "hot"})

    def dialect_of(self, model: str) -> str:
        return self.name

    def with_token(self, token: str) -> OpenAIChat:
        return OpenAIChat(self._client.with_options(api_key=token))

    def retry_after(self, error: Any) -> str | None:
        found: str | None = error.response.headers.get("retry-after")
        return found


def function_tool(function: Function) -> dict[str, Any]:
    described = {"name": function.name, "description": function.description, "parameters": function.parameters}
    return {"type": "function", "function": described}


def content(question: Question) -> Any:
    if question.image is None:
        return question.text
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{question.image}"}}
    return [{"type": "text", "text": question.text}, picture]


def _turns(question: Question) -> Any:
    said = [{"role": "user", "content": content(question)}] if question.text else []
    return [*question.turns, *said]


def _given(question: Question) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if question.tools:
        given["tools"] = [function_tool(function) for function in question.tools]
    if question.schema is not None:
        schema = {"name": "place", "schema": question.schema, "strict": True}
        given["response_format"] = {"type": "json_schema", "json_schema": schema}
    if question.thinks:
        given["reasoning_effort"] = "low"
    if question.room is not None:
        given |= {"max_completion_tokens": question.room, "temperature": 0}
    return given


def _told(turns: list[Any], answer: Any) -> Told:
    (choice,) = answer.choices
    message = choice.message
    details = answer.usage.completion_tokens_details
    calls = [
        Called(call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()
    ]
    return Told(
        text=message.content or "",
        turns=(*turns, message),
        ending=choice.finish_reason,
        input_tokens=answer.usage.prompt_tokens,
        output_tokens=answer.usage.completion_tokens,
        calls=tuple(calls),
        thought=(message.model_extra or {}).get("reasoning_content") or "",
        thinking_tokens=None if details is None else details.reasoning_tokens,
    )
