"""Events to one whole Chat Completion, as OpenAI's own looks."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.event import (
    Cited,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import Chat, Reasoning
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted
from isthmus.wire.json_text import prefixed_id
from isthmus.wire.openai_chat.answer.asked import AnsweredCalls, Calling
from isthmus.wire.openai_chat.answer.logprobs import write_logprobs
from isthmus.wire.openai_chat.answer.sources import write_annotation
from isthmus.wire.openai_chat.answer.usage import write_reason, write_tier, write_usage
from isthmus.wire.openai_chat.messages.thinking import unsigned_details, write_details
from isthmus.wire.openai_chat.writer import ID_PREFIX
from isthmus.wire.sealed import seal_id


class WholeWriter:
    """Gathers the events; `close` gives the answer. Raises the error of `Failed`."""

    __slots__ = ("_arguments", "_calls", "_choices", "_started", "_usage")

    def __init__(self, chat: Chat) -> None:
        self._arguments: dict[int, list[str]] = {}
        self._calls = AnsweredCalls(chat)
        self._choices: dict[int, _Choice] = {0: _Choice(self._calls)}
        self._started: Started | None = None
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        if isinstance(event, Started):
            self._started, self._usage = event, event.usage
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, ToolCallDelta):
            self._arguments[event.index].append(event.arguments)
        elif isinstance(event, Failed):
            raise event.error
        else:
            choice = self._choices.get(event.choice)
            if choice is None:
                choice = self._choices[event.choice] = _Choice(self._calls)
            if isinstance(event, ToolCallStarted):
                self._arguments[event.index] = choice.call(event)
            else:
                choice.write(event)
        return b""

    def close(self) -> bytes:
        """Raises `Interrupted` where a choice never came to its end."""
        if self._started is None or any(choice.finished is None for choice in self._choices.values()):
            raise Interrupted("The provider stopped in the middle of its answer.")
        answer: dict[str, Any] = {
            "id": prefixed_id(ID_PREFIX, self._started.id),
            "object": "chat.completion",
            "created": self._started.created or 0,
            "model": self._started.model,
            "choices": [choice.written(index) for index, choice in sorted(self._choices.items())],
            "service_tier": write_tier(self._usage),
        }
        if self._usage is not None:
            answer["usage"] = write_usage(self._usage)
        return msgspec.json.encode(answer)


class _Choice:
    def __init__(self, calls: AnsweredCalls) -> None:
        self._annotations: list[dict[str, Any]] = []
        self._blocks: list[Reasoning] = []
        self._called: list[tuple[ToolCallStarted, Calling | None, list[str]]] = []
        self._calls = calls
        self._chars = 0
        self._logprobs: list[TokenLogprob] = []
        self._refusal: list[str] = []
        self._text: list[str] = []
        self._thought: list[str] = []
        self._thought_before: list[str] = []
        self.finished: Finished | None = None

    def call(self, event: ToolCallStarted) -> list[str]:
        """The list that the arguments of this call go into."""
        arguments: list[str] = []
        self._called.append((event, self._calls.start(event), arguments))
        return arguments

    def write(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self._text.append(event.text)
            self._chars += len(event.text)
            self._logprobs.extend(event.logprobs)
        elif isinstance(event, ReasoningDelta):
            self._think(event)
        elif isinstance(event, RefusalDelta):
            self._refusal.append(event.text)
        elif isinstance(event, Cited):
            annotation = write_annotation(event.citation, self._chars)
            self._annotations += [] if annotation is None else [annotation]
        elif isinstance(event, Finished):
            self.finished = event

    def _think(self, event: ReasoningDelta) -> None:
        self._thought.append(event.text)
        if event.signature is None:
            return
        text = "".join(self._thought)
        if event.redacted and text:
            self._blocks.append(Reasoning(text=text))
        block = Reasoning(text="" if event.redacted else text, signature=event.signature, redacted=event.redacted)
        self._blocks.append(block)
        self._thought_before += self._thought
        self._thought = []

    def written(self, index: int) -> dict[str, Any]:
        assert self.finished is not None
        return {
            "index": index,
            "message": self._message(),
            "logprobs": write_logprobs(self._logprobs) if self._logprobs else None,
            "finish_reason": self._calls.reason(write_reason(self.finished.reason)),
        }

    def _message(self) -> dict[str, Any]:
        text, refusal = "".join(self._text), "".join(self._refusal)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text or (None if self._called or refusal else ""),
            "refusal": refusal or None,
            "annotations": self._annotations,
        }
        rest = "".join(self._thought)
        thought = "".join(self._thought_before) + rest
        if thought:
            message["reasoning_content"] = thought
        if self._blocks:
            message["reasoning_details"] = write_details([*self._blocks, *([Reasoning(text=rest)] if rest else [])])
        elif thought:
            message["reasoning_details"] = unsigned_details()
        calls = [_written_call(*called) for called in self._called]
        told = [call for call in calls if call is not None]
        if told and "type" not in told[0]:
            message["function_call"] = told[0]
        elif told:
            message["tool_calls"] = told
        return message


def _written_call(started: ToolCallStarted, call: Calling | None, arguments: list[str]) -> dict[str, Any] | None:
    if call is None:
        return None
    text = call.read("".join(arguments)) + call.close()
    if call.kind == "function_call":
        return {"name": started.name, "arguments": text}
    id_ = seal_id(started.id, started.signature)
    if call.kind == "custom":
        return {"id": id_, "type": "custom", "custom": {"name": started.name, "input": text}}
    return {"id": id_, "type": "function", "function": {"name": started.name, "arguments": text}}
