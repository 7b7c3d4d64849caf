"""OpenAI's SDK on responses, as the matrix drives it: nothing is stored, all of a conversation goes along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import openai

from sdk.python.caller import Called, Place, Question, Told
from sdk.python.openai_chat import ERRORS


class OpenAIResponses:
    name = "openai-responses"
    errors = ERRORS
    stopped = called = "completed"
    sees_thoughts = True

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def ask(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        return _told(turns, self._client.responses.create(model=model, input=turns, **_given(question)))

    def stream(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        with self._client.responses.stream(model=model, input=turns, **_given(question)) as events:
            return _told(turns, events.get_final_response())

    def answered(self, told: Told, outcomes: Sequence[str]) -> tuple[Any, ...]:
        pairs = zip(told.calls, outcomes, strict=True)
        results = ({"type": "function_call_output", "call_id": call.id, "output": said} for call, said in pairs)
        return (*told.turns, *results)

    def parse(self, model: str, question: Question) -> Place:
        answer = self._client.responses.parse(
            model=model, input=_turns(question), text_format=Place, **_given(question)
        )
        parsed: Place | None = answer.output_parsed
        assert parsed is not None
        return parsed

    def blunder(self, model: str) -> None:
        self._client.responses.create(model=model, input="hello", extra_body={"temperature": "hot"})

    def dialect_of(self, model: str) -> str:
        return self.name

    def with_token(self, token: str) -> OpenAIResponses:
        return OpenAIResponses(self._client.with_options(api_key=token))

    def retry_after(self, error: Any) -> str | None:
        found: str | None = error.response.headers.get("retry-after")
        return found


def _turns(question: Question) -> Any:
    if not question.text:
        return [*question.turns]
    content: Any = question.text
    if question.image is not None:
        picture = {
            "type": "input_image",
            "image_url": f"data:image/png;base64,{question.image}",
            "detail": "auto",
        }
        content = [{"type": "input_text", "text": question.text}, picture]
    return [*question.turns, {"role": "user", "content": content}]


def _given(question: Question) -> dict[str, Any]:
    given: dict[str, Any] = {"store": False}
    if question.tools:
        given["tools"] = [
            {
                "type": "function",
                "name": function.name,
                "description": function.description,
                "parameters": function.parameters,
                "strict": False,
            }
            for function in question.tools
        ]
    if question.schema is not None:
        wanted = {"type": "json_schema", "name": "place", "schema": question.schema, "strict": True}
        given["text"] = {"format": wanted}
    if question.thinks:
        given |= {
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
        }
    if question.room is not None:
        given |= {"max_output_tokens": question.room, "temperature": 0}
    return given


def _told(turns: list[Any], answer: Any) -> Told:
    calls = [item for item in answer.output if item.type == "function_call"]
    thoughts = [item for item in answer.output if item.type == "reasoning"]
    texts = [part.text for item in thoughts for part in (*item.summary, *(item.content or ()))]
    return Told(
        text=answer.output_text,
        turns=(*turns, *answer.output),
        ending=answer.status,
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        calls=tuple(Called(call.call_id, call.name, json.loads(call.arguments)) for call in calls),
        thought="".join(texts),
        thinking_tokens=answer.usage.output_tokens_details.reasoning_tokens,
    )
