"""LangChain's chat models over the SDKs, as the matrix drives them: its messages are its own, whatever is below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from sdk.python.caller import Called, Errors, Place, Question, Told
from sdk.python.openai_chat import function_tool

Make = Callable[[str, str, dict[str, Any]], BaseChatModel]
"""(token, model, settings) → LangChain's model."""


class LangChain:
    def __init__(self, name: str, make: Make, settings: Callable[[str, Question], dict[str, Any]], own: Any) -> None:
        """`own` is the matrix's caller for the SDK below: it has the same errors and says the same of ends."""
        self.name = name
        self.errors: Errors = own.errors
        self.stopped: str = own.stopped
        self.called: str = own.called
        self.sees_thoughts: bool = own.sees_thoughts
        self._make = make
        self._settings = settings
        self._own = own
        self._token: str | None = None

    def ask(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        return _told(turns, self._model(model, question).invoke(turns))

    def stream(self, model: str, question: Question) -> Told:
        turns = _turns(question)
        whole: Any = None
        for chunk in self._model(model, question).stream(turns):
            whole = chunk if whole is None else whole + chunk
        return _told(turns, whole)

    def answered(self, told: Told, outcomes: Sequence[str]) -> tuple[Any, ...]:
        pairs = zip(told.calls, outcomes, strict=True)
        return (*told.turns, *(ToolMessage(content=said, tool_call_id=call.id) for call, said in pairs))

    def parse(self, model: str, question: Question) -> Place:
        made = self._bare(model, question).with_structured_output(Place, method="json_schema")
        answer = made.invoke(_turns(question))
        assert isinstance(answer, Place)
        return answer

    def blunder(self, model: str) -> None:
        wrong: Any = {"extra_body": {"temperature": "hot"}}
        self._bare(model, Question()).invoke([HumanMessage("hello")], **wrong)

    def dialect_of(self, model: str) -> str:
        return self.name

    def with_token(self, token: str) -> LangChain:
        other = LangChain(self.name, self._make, self._settings, self._own)
        other._token = token
        return other

    def retry_after(self, error: Any) -> str | None:
        found: str | None = self._own.retry_after(error)
        return found

    def _bare(self, model: str, question: Question) -> BaseChatModel:
        return self._make(self._token or "", model, self._settings(model, question))

    def _model(self, model: str, question: Question) -> Any:
        made: Any = self._bare(model, question)
        if question.tools:
            made = made.bind_tools([function_tool(function) for function in question.tools])
        if question.schema is not None:
            made = made.with_structured_output(
                {"title": "place", "description": "A place", **question.schema}, method="json_schema", include_raw=True
            ) | (lambda answer: answer["raw"])
        return made


def _turns(question: Question) -> list[BaseMessage]:
    if not question.text:
        return [*question.turns]
    content: Any = question.text
    if question.image is not None:
        picture = {"type": "image", "base64": question.image, "mime_type": "image/png"}
        content = [{"type": "text", "text": question.text}, picture]
    return [*question.turns, HumanMessage(content)]


def _told(turns: list[BaseMessage], answer: AIMessage) -> Told:
    usage = answer.usage_metadata
    assert usage is not None
    blocks = answer.content_blocks
    about = answer.response_metadata
    return Told(
        text=answer.text,
        turns=(*turns, answer),
        ending=about.get("stop_reason") or about.get("finish_reason") or about.get("status"),
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        calls=tuple(Called(call["id"] or "", call["name"], call["args"]) for call in answer.tool_calls),
        thought="".join(block.get("reasoning", "") for block in blocks if block["type"] == "reasoning"),
        thinking_tokens=(usage.get("output_token_details") or {}).get("reasoning"),
    )
