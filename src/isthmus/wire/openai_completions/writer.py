"""Events to text completions, as OpenAI's own look, streamed and whole. A refusal is text here; thinking, tool calls
and sources have no place."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.event import (
    Event,
    Failed,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    UsageReported,
)
from isthmus.core.chat.request import Chat, Text
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted
from isthmus.wire.framing.sse import event as sse_event
from isthmus.wire.json_text import prefixed_id
from isthmus.wire.openai_chat.answer.usage import write_reason, write_usage
from isthmus.wire.openai_chat.errors import write_error
from isthmus.wire.openai_completions.logprobs import write_logprobs
from isthmus.wire.openai_completions.request import ECHO

ID_PREFIX = "cmpl-"

_encode = msgspec.json.encode
_DONE = b"data: [DONE]\n\n"
_REASONS = frozenset({"stop", "length", "content_filter"})


def _prompt(chat: Chat) -> str:
    parts = chat.messages[0].parts if chat.messages else ()
    return "".join(part.text for part in parts if isinstance(part, Text))


def _is_echoed(chat: Chat) -> bool:
    return any(note.field == ECHO for note in chat.unplaced)


def _reason(event: Finished) -> str:
    written = write_reason(event.reason)
    return written if written in _REASONS else "stop"


def _head(event: Started) -> dict[str, Any]:
    return {
        "id": prefixed_id(ID_PREFIX, event.id),
        "object": "text_completion",
        "created": event.created or 0,
        "model": event.model,
    }


class StreamWriter:
    """A chunk an event. Usage waits for `close`, since the chunk that carries it is the last one."""

    __slots__ = (
        "_after_text",
        "_echoed",
        "_finished",
        "_head",
        "_include_usage",
        "_prompt",
        "_said",
        "_tail",
        "_usage",
    )

    def __init__(self, chat: Chat) -> None:
        self._prompt = _prompt(chat)
        self._echoed = self._prompt if _is_echoed(chat) else ""
        self._include_usage = chat.include_usage
        self._tail = b',"usage":null}\n\n' if chat.include_usage else b"}\n\n"
        self._after_text = b',"index":0,"logprobs":null,"finish_reason":null}]' + self._tail
        self._head = b""
        self._said: dict[int, int] = {}  # characters of each choice
        self._usage: Usage | None = None
        self._finished = False

    def write(self, event: Event) -> bytes:
        if isinstance(event, TextDelta):
            begun = self._begun(event.choice)
            before = self._said[event.choice]
            self._said[event.choice] = before + len(event.text)
            if not event.choice and not event.logprobs:
                return b'%b%b"choices":[{"text":%b%b' % (begun, self._head, _encode(event.text), self._after_text)
            told = write_logprobs(event.logprobs, len(self._prompt) + before) if event.logprobs else None
            return begun + self._chunk(event.text, event.choice, logprobs=_encode(told))
        if isinstance(event, RefusalDelta):
            begun = self._begun(event.choice)
            self._said[event.choice] += len(event.text)
            return begun + self._chunk(event.text, event.choice)
        return self._write_rare(event)

    def close(self) -> bytes:
        """Nothing for an answer that never finished: `[DONE]` would say that it had."""
        if not self._finished:
            return b""
        if not self._include_usage or self._usage is None:
            return _DONE
        return b'%b"choices":[],"usage":%b}\n\n%b' % (self._head, _encode(write_usage(self._usage)), _DONE)

    def _write_rare(self, event: Event) -> bytes:
        if isinstance(event, Started):
            self._head = b"data: " + _encode(_head(event))[:-1] + b","
            self._usage = event.usage
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Finished):
            self._finished = True
            return self._begun(event.choice) + self._chunk("", event.choice, reason=_encode(_reason(event)))
        elif isinstance(event, Failed):
            self._finished = False
            return sse_event(write_error(event.error))
        return b""

    def _begun(self, choice: int) -> bytes:
        """What comes before all that a choice says."""
        if choice in self._said:
            return b""
        self._said[choice] = 0
        return self._chunk(self._echoed, choice) if self._echoed else b""

    def _chunk(self, text: str, choice: int, *, reason: bytes = b"null", logprobs: bytes = b"null") -> bytes:
        return b'%b"choices":[{"text":%b,"index":%d,"logprobs":%b,"finish_reason":%b}]%b' % (
            self._head,
            _encode(text),
            choice,
            logprobs,
            reason,
            self._tail,
        )


class WholeWriter:
    """Gathers the events; `close` gives the answer. Raises the error of `Failed`."""

    __slots__ = ("_choices", "_echoed", "_prompt", "_started", "_usage")

    def __init__(self, chat: Chat) -> None:
        self._prompt = _prompt(chat)
        self._echoed = self._prompt if _is_echoed(chat) else ""
        self._choices: dict[int, _Choice] = {0: _Choice()}
        self._started: Started | None = None
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        if isinstance(event, Started):
            self._started, self._usage = event, event.usage
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Failed):
            raise event.error
        elif isinstance(event, TextDelta | RefusalDelta | Finished):
            choice = self._choices.setdefault(event.choice, _Choice())
            if isinstance(event, Finished):
                choice.finished = event
            else:
                choice.text.append(event.text)
                choice.logprobs += event.logprobs if isinstance(event, TextDelta) else ()
        return b""

    def close(self) -> bytes:
        """Raises `Interrupted` where a choice never came to its end."""
        if self._started is None or any(choice.finished is None for choice in self._choices.values()):
            raise Interrupted("The provider stopped in the middle of its answer.")
        answer = _head(self._started)
        answer["choices"] = [self._written(index, choice) for index, choice in sorted(self._choices.items())]
        if self._usage is not None:
            answer["usage"] = write_usage(self._usage)
        return _encode(answer)

    def _written(self, index: int, choice: _Choice) -> dict[str, Any]:
        assert choice.finished is not None
        return {
            "text": self._echoed + "".join(choice.text),
            "index": index,
            "logprobs": write_logprobs(choice.logprobs, len(self._prompt)) if choice.logprobs else None,
            "finish_reason": _reason(choice.finished),
        }


class _Choice:
    __slots__ = ("finished", "logprobs", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.logprobs: list[TokenLogprob] = []
        self.finished: Finished | None = None
