"""Anthropic's SDK on messages, as the matrix drives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anthropic

from sdk.python.caller import Called, Errors, Place, Question, Told

ROOM = 6000
BUDGET = 2000
# Its newest models think as they see fit, and refuse to be given a budget.
ADAPTIVE = ("opus-4.7", "opus-4.8")


class AnthropicMessages:
    name = "anthropic"
    errors = Errors(
        unknown=anthropic.NotFoundError,
        bad=anthropic.BadRequestError,
        throttled=anthropic.RateLimitError,
        unauthenticated=anthropic.AuthenticationError,
    )
    stopped, called = "end_turn", "tool_use"
    sees_thoughts = True

    def __init__(self, client: anthropic.Anthropic) -> None:
        self._client = client

    def ask(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        return _told(turns, self._client.messages.create(model=model, messages=turns, **_given(model, question)))

    def stream(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        with self._client.messages.stream(model=model, messages=turns, **_given(model, question)) as events:
            return _told(turns, events.get_final_message())

    def answered(self, told: Told, outcomes: Sequence[str]) -> tuple[Any, ...]:
        pairs = zip(told.calls, outcomes, strict=True)
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": said} for call, said in pairs]
        return (*told.turns, {"role": "user", "content": results})

    def parse(self, model: str, question: Question) -> Place:
        answer = self._client.messages.parse(
            model=model, messages=_turns(question), output_format=Place, **_given(model, question)
        )
        assert answer.parsed_output is not None
        return answer.parsed_output

    def blunder(self, model: str) -> None:
        turns = _turns(Question(text="hello"))
        self._client.messages.create(model=model, messages=turns, max_tokens=9, extra_body={"temperature": "hot"})

    def dialect_of(self, model: str) -> str:
        return self.name

    def with_token(self, token: str) -> AnthropicMessages:
        return AnthropicMessages(self._client.with_options(api_key=token))

    def retry_after(self, error: Any) -> str | None:
        found: str | None = error.response.headers.get("retry-after")
        return found


def _turns(question: Question) -> Any:
    if not question.text:
        return [*question.turns]
    content: Any = question.text
    if question.image is not None:
        source = {"type": "base64", "media_type": "image/png", "data": question.image}
        content = [{"type": "image", "source": source}, {"type": "text", "text": question.text}]
    return [*question.turns, {"role": "user", "content": content}]


def _given(model: str, question: Question) -> dict[str, Any]:
    given: dict[str, Any] = {"max_tokens": ROOM}
    if question.tools:
        given["tools"] = [
            {"name": function.name, "description": function.description, "input_schema": function.parameters}
            for function in question.tools
        ]
    if question.schema is not None:
        given["output_config"] = {"format": {"type": "json_schema", "schema": question.schema}}
    if question.thinks and model.endswith(ADAPTIVE):
        given["thinking"] = {"type": "adaptive"}
    elif question.thinks:
        given["thinking"] = {"type": "enabled", "budget_tokens": BUDGET}
    if question.room is not None:
        # The newest version of this API, and of its SDK, has no `temperature`; the local model's answers need one.
        given |= {"max_tokens": question.room, "extra_body": {"temperature": 0}}
    return given


def _told(turns: list[Any], answer: Any) -> Told:
    calls = [block for block in answer.content if block.type == "tool_use"]
    details = answer.usage.output_tokens_details
    return Told(
        text="".join(block.text for block in answer.content if block.type == "text"),
        turns=(*turns, {"role": "assistant", "content": answer.content}),
        ending=answer.stop_reason,
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        calls=tuple(Called(block.id, block.name, block.input) for block in calls),
        thought="".join(block.thinking for block in answer.content if block.type == "thinking"),
        thinking_tokens=None if details is None else details.thinking_tokens,
    )
