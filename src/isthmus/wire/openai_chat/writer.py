"""Events to a stream of Chat Completions, as OpenAI's own looks. A whole answer is in `whole_writer`."""

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
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import Chat, Reasoning
from isthmus.core.chat.usage import Usage
from isthmus.wire.framing.sse import event as sse_event
from isthmus.wire.json_text import prefixed_id
from isthmus.wire.openai_chat.answer.asked import AnsweredCalls, Calling
from isthmus.wire.openai_chat.answer.logprobs import write_logprobs
from isthmus.wire.openai_chat.answer.sources import write_annotation
from isthmus.wire.openai_chat.answer.usage import write_reason, write_tier, write_usage
from isthmus.wire.openai_chat.errors import write_error
from isthmus.wire.openai_chat.messages.thinking import unsigned_details, write_details
from isthmus.wire.sealed import seal_id

ID_PREFIX = "chatcmpl-"

_encode = msgspec.json.encode
_DONE = b"data: [DONE]\n\n"
_ROLE = b'"role":"assistant","content":"","refusal":null'
_CALL = b'"tool_calls":[{"index":%d,"id":%b,"type":"function","function":{"name":%b,"arguments":""}}]'
_ARGUMENTS = b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]'
_CUSTOM = b'"tool_calls":[{"index":%d,"id":%b,"type":"custom","custom":{"name":%b,"input":""}}]'
_INPUT = b'"tool_calls":[{"index":%d,"custom":{"input":%b}}]'
_FUNCTION = b'"function_call":{"name":%b,"arguments":""}'
_FUNCTION_ARGUMENTS = b'"function_call":{"arguments":%b}'


class _Choice:
    """What has gone out of one choice: characters of text, thinking since the last signature, items of thinking; and
    the annotations, which go out together at its end as OpenAI's do: its SDK cannot join several lists of them."""

    __slots__ = ("annotations", "chars", "details", "index", "thought")

    def __init__(self, index: int) -> None:
        self.index = index
        self.chars = 0
        self.thought: list[str] = []
        self.details = 0
        self.annotations: list[dict[str, Any]] = []


class StreamWriter:
    """A chunk an event. Usage waits for `close`, since the chunk that carries it is the last one."""

    __slots__ = (
        "_after_text",
        "_before_text",
        "_calls",
        "_choices",
        "_finished",
        "_first",
        "_head",
        "_include_usage",
        "_tail",
        "_usage",
    )

    def __init__(self, chat: Chat) -> None:
        self._calls = AnsweredCalls(chat)
        self._first = _Choice(0)
        self._choices = {0: self._first}
        self._include_usage = chat.include_usage
        self._head = b""
        self._tail = b',"usage":null}\n\n' if chat.include_usage else b"}\n\n"
        self._before_text = b""
        self._after_text = b'},"logprobs":null,"finish_reason":null}]' + self._tail
        self._usage: Usage | None = None
        self._finished = False

    def write(self, event: Event) -> bytes:
        # The shapes are spelled out: 1 µs an event where a dictionary a chunk takes 3; text has all of its ready.
        if isinstance(event, TextDelta):
            if event.choice or event.logprobs:
                return self._write_text(event)
            self._first.chars += len(event.text)
            return self._before_text + _encode(event.text) + self._after_text
        if isinstance(event, ToolCallDelta):
            return self._write_arguments(event)
        if isinstance(event, ReasoningDelta):
            return self._write_thinking(event)
        if isinstance(event, ToolCallStarted):
            return self._write_call(event)
        return self._write_rare(event)

    def close(self) -> bytes:
        """Nothing for an answer that never finished: `[DONE]` would say that it had."""
        if not self._finished:
            return b""
        if not self._include_usage or self._usage is None:
            return _DONE
        usage, tier = _encode(write_usage(self._usage)), _encode(write_tier(self._usage))
        return b'data: %b"choices":[],"service_tier":%b,"usage":%b}\n\n%b' % (self._head, tier, usage, _DONE)

    def _write_text(self, event: TextDelta) -> bytes:
        begun = self._begun(event.choice)
        self._choices[event.choice].chars += len(event.text)
        logprobs = _encode(write_logprobs(event.logprobs)) if event.logprobs else b"null"
        return begun + self._chunk(b'"content":' + _encode(event.text), event.choice, logprobs=logprobs)

    def _write_thinking(self, event: ReasoningDelta) -> bytes:
        written = self._begun(event.choice) if event.choice else b""
        choice = self._choices[event.choice]
        if event.text:
            choice.thought.append(event.text)
            written += self._chunk(b'"reasoning_content":' + _encode(event.text), event.choice)
        if event.signature is None:
            return written
        blocks = self._unsigned(choice) if event.redacted else []
        text = "".join(choice.thought)
        choice.thought = []
        blocks.append(Reasoning(text=text, signature=event.signature, redacted=event.redacted))
        return written + self._details(choice, blocks)

    def _unsigned(self, choice: _Choice) -> list[Reasoning]:
        text = "".join(choice.thought)
        choice.thought = []
        return [Reasoning(text=text)] if text else []

    def _details(self, choice: _Choice, blocks: list[Reasoning]) -> bytes:
        items = write_details(blocks, choice.details)
        choice.details += len(items)
        return self._chunk(b'"reasoning_details":' + _encode(items), choice.index) if items else b""

    def _write_call(self, event: ToolCallStarted) -> bytes:
        begun = self._begun(event.choice) if event.choice else b""
        call = self._calls.start(event)
        if call is None:
            return begun
        name = _encode(event.name)
        if call.kind == "function_call":
            return begun + self._chunk(_FUNCTION % name, call.choice)
        shape = _CUSTOM if call.kind == "custom" else _CALL
        return begun + self._chunk(shape % (call.place, _encode(seal_id(event.id, event.signature)), name), call.choice)

    def _write_arguments(self, event: ToolCallDelta) -> bytes:
        call = self._calls.find(event.index)
        if call is None:
            return b""
        text = call.read(event.arguments)
        return self._more(call, text) if text else b""

    def _more(self, call: Calling, text: str) -> bytes:
        if call.kind == "function":
            return self._chunk(_ARGUMENTS % (call.place, _encode(text)), call.choice)
        if call.kind == "custom":
            return self._chunk(_INPUT % (call.place, _encode(text)), call.choice)
        return self._chunk(_FUNCTION_ARGUMENTS % _encode(text), call.choice)

    def _write_rare(self, event: Event) -> bytes:
        if isinstance(event, Started):
            head = {
                "id": prefixed_id(ID_PREFIX, event.id),
                "object": "chat.completion.chunk",
                "created": event.created or 0,
                "model": event.model,
            }
            self._head = _encode(head)[:-1] + b","
            self._before_text = b'data: %b"choices":[{"index":0,"delta":{"content":' % self._head
            self._usage = event.usage
            return self._chunk(_ROLE)
        if isinstance(event, RefusalDelta):
            return self._begun(event.choice) + self._chunk(b'"refusal":' + _encode(event.text), event.choice)
        if isinstance(event, Cited):
            return self._write_citation(event)
        if isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Finished):
            return self._finish(event)
        elif isinstance(event, Failed):
            self._finished = False
            return sse_event(write_error(event.error))
        return b""

    def _write_citation(self, event: Cited) -> bytes:
        begun = self._begun(event.choice)
        choice = self._choices[event.choice]
        annotation = write_annotation(event.citation, choice.chars)
        if annotation is not None:
            choice.annotations.append(annotation)
        return begun

    def _finish(self, event: Finished) -> bytes:
        self._finished = True
        written = self._begun(event.choice)
        choice = self._choices[event.choice]
        if choice.details:  # thinking that came after the last signature, so that the items hold all of it
            written += self._details(choice, self._unsigned(choice))
        elif choice.thought:
            written += self._chunk(b'"reasoning_details":' + _encode(unsigned_details()), choice.index)
        if choice.annotations:
            written += self._chunk(b'"annotations":' + _encode(choice.annotations), event.choice)
        for call in self._calls.of_choice(event.choice):
            rest = call.close()
            written += self._more(call, rest) if rest else b""
        reason = self._calls.reason(write_reason(event.reason))
        return written + self._chunk(b"", event.choice, _encode(reason))

    def _begun(self, index: int) -> bytes:
        """The first chunk of a further choice, nothing for one that has begun."""
        if index in self._choices:
            return b""
        self._choices[index] = _Choice(index)
        return self._chunk(_ROLE, index)

    def _chunk(self, delta: bytes, choice: int = 0, reason: bytes = b"null", logprobs: bytes = b"null") -> bytes:
        return b'data: %b"choices":[{"index":%d,"delta":{%b},"logprobs":%b,"finish_reason":%b}]%b' % (
            self._head,
            choice,
            delta,
            logprobs,
            reason,
            self._tail,
        )
