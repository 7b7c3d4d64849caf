"""Events to an answer of Cohere's, as a stream of events or whole."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.event import (
    Cited,
    Event,
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import Chat, Citation, Document, ToolResult
from isthmus.core.chat.usage import Usage
from isthmus.wire.cohere_chat.answer import END, written_logprobs, written_reason, written_usage
from isthmus.wire.cohere_chat.citations import Block, answered_citation
from isthmus.wire.custom_tools import wrapped
from isthmus.wire.framing.sse import event as frame
from isthmus.wire.sealed import seal_id

_encode = msgspec.json.encode
_WRAPPED_HEAD, _WRAPPED_TAIL = wrapped("").split('""')

Json = dict[str, Any]


class _Answer:
    """What one answer has come to. Cohere gives one: what belongs to another choice is passed over."""

    __slots__ = ("_documents", "_kind", "_pieces", "_texts", "blocks", "finished", "id", "started", "usage")

    def __init__(self, chat: Chat) -> None:
        self._documents = _documents(chat)
        self._kind: str | None = None  # of the block that is open
        self._pieces: list[list[str]] = []  # of each block
        self._texts: dict[int, int] = {}  # blocks of text, and where each begins in all that was said
        self.blocks: list[str] = []  # the kind of each
        self.started = False
        self.id = ""
        self.usage = Usage()
        self.finished: Finished | None = None

    def begin(self, event: Started) -> None:
        self.started = True
        self.id = event.id
        self.usage = event.usage or self.usage

    def opens(self, kind: str) -> bool:
        """Whether what comes now begins a block of content."""
        if self._kind == kind:
            return False
        self._kind = kind
        if kind == "text":
            self._texts[len(self.blocks)] = sum(len(self.text(index)) for index in self._texts)
        self.blocks.append(kind)
        self._pieces.append([])
        return True

    def close_block(self) -> int | None:
        """The index of the block that was open."""
        kind, self._kind = self._kind, None
        return None if kind is None else len(self.blocks) - 1

    def add(self, text: str) -> None:
        self._pieces[-1].append(text)

    def text(self, index: int) -> str:
        return "".join(self._pieces[index])

    def cited(self, citation: Citation) -> Json | None:
        blocks = [Block(index, start, self.text(index)) for index, start in self._texts.items()]
        return answered_citation(citation, blocks, self._documents)


class _Call:
    """One tool call: free text becomes the arguments of a function with one string."""

    __slots__ = ("_custom", "_pieces", "place", "stated")

    def __init__(self, event: ToolCallStarted, place: int) -> None:
        self.place = place
        self._custom = event.custom
        self._pieces: list[str] = []
        function = {"name": event.name, "arguments": ""}
        self.stated: Json = {"id": seal_id(event.id, event.signature), "type": "function", "function": function}

    def more(self, arguments: str) -> str:
        if self._custom and arguments:
            arguments = ("" if self._pieces else _WRAPPED_HEAD + '"') + _encode(arguments).decode()[1:-1]
        if arguments:
            self._pieces.append(arguments)
        return arguments

    def rest(self) -> str:
        """Callers parse the arguments: none at all must still be JSON."""
        if self._custom:
            rest = '"' + _WRAPPED_TAIL if self._pieces else wrapped("")
        else:
            rest = "" if self._pieces else "{}"
        self._pieces.append(rest)
        return rest

    def whole(self) -> Json:
        return self.stated | {"function": self.stated["function"] | {"arguments": "".join(self._pieces)}}


class StreamWriter:
    """The last event waits for the end: it tells why, and what was used."""

    __slots__ = ("_answer", "_calls", "_cited", "_failed")

    def __init__(self, chat: Chat) -> None:
        self._answer = _Answer(chat)
        self._calls: dict[int, _Call] = {}
        self._cited = 0
        self._failed = False

    def write(self, event: Event) -> bytes:
        answer = self._answer
        if getattr(event, "choice", 0):
            return b""
        match event:
            case Started():
                answer.begin(event)
                return _event("message-start", {"role": "assistant"}, id=event.id)
            case TextDelta():
                return self._say("text", event.text, event.logprobs)
            case RefusalDelta():
                return self._say("text", event.text)
            case ReasoningDelta():
                return self._say("thinking", event.text)
            case ToolCallStarted():
                call = self._calls[event.index] = _Call(event, len(self._calls))
                return self._end_block() + _event("tool-call-start", {"tool_calls": call.stated}, call.place)
            case ToolCallDelta():
                return self._call_delta(event)
            case Cited():
                return self._cite(event.citation)
            case Failed():
                self._failed = True
                said = {"finish_reason": "ERROR", "error": event.error.message}
                return frame(_encode({"type": END, "delta": said}), END.encode())
        _note(answer, event)
        return b""

    def close(self) -> bytes:
        answer = self._answer
        if self._failed or not answer.started:
            return b""
        out = self._end_block()
        for call in self._calls.values():
            out += self._end_call(call)
        said = {"finish_reason": written_reason(answer.finished), "usage": written_usage(answer.usage)}
        return out + frame(_encode({"type": END, "delta": said}), END.encode())

    def _say(self, kind: str, text: str, logprobs: tuple[TokenLogprob, ...] = ()) -> bytes:
        if not text and not logprobs:
            return b""
        out = b""
        answer = self._answer
        if answer.blocks and answer.blocks[-1] != kind:
            out += self._end_block()
        if answer.opens(kind):
            out += _event("content-start", {"content": {"type": kind, kind: ""}}, len(answer.blocks) - 1)
        answer.add(text)
        told = {"logprobs": written_logprobs(logprobs)} if logprobs else {}
        return out + _event("content-delta", {"content": {kind: text}}, len(answer.blocks) - 1, **told)

    def _end_block(self) -> bytes:
        index = self._answer.close_block()
        return b"" if index is None else _event("content-end", None, index)

    def _call_delta(self, event: ToolCallDelta) -> bytes:
        call = self._calls.get(event.index)
        more = "" if call is None else call.more(event.arguments)
        if call is None or not more:
            return b""
        return _event("tool-call-delta", {"tool_calls": {"function": {"arguments": more}}}, call.place)

    def _end_call(self, call: _Call) -> bytes:
        rest = call.rest()
        out = _event("tool-call-delta", {"tool_calls": {"function": {"arguments": rest}}}, call.place) if rest else b""
        return out + _event("tool-call-end", None, call.place)

    def _cite(self, citation: Citation) -> bytes:
        cited = self._answer.cited(citation)
        if cited is None:
            return b""
        index = self._cited
        self._cited += 1
        return _event("citation-start", {"citations": cited}, index) + _event("citation-end", None, index)


class WholeWriter:
    __slots__ = ("_answer", "_calls", "_citations", "_logprobs")

    def __init__(self, chat: Chat) -> None:
        self._answer = _Answer(chat)
        self._calls: dict[int, _Call] = {}
        self._citations: list[Citation] = []
        self._logprobs: list[Json] = []

    def write(self, event: Event) -> bytes:
        if getattr(event, "choice", 0):
            return b""
        match event:
            case Failed():
                raise event.error
            case Started():
                self._answer.begin(event)
            case TextDelta():
                if event.logprobs:
                    self._logprobs.append(written_logprobs(event.logprobs))
                self._say("text", event.text)
            case RefusalDelta():
                self._say("text", event.text)
            case ReasoningDelta():
                self._say("thinking", event.text)
            case ToolCallStarted():
                self._calls[event.index] = _Call(event, len(self._calls))
            case ToolCallDelta():
                if event.index in self._calls:
                    self._calls[event.index].more(event.arguments)
            case Cited():
                self._citations.append(event.citation)
            case _:
                _note(self._answer, event)
        return b""

    def close(self) -> bytes:
        answer = self._answer
        if not answer.started:
            return b""
        message: Json = {"role": "assistant"}
        for call in self._calls.values():
            call.rest()
        if self._calls:
            message["tool_calls"] = [call.whole() for call in self._calls.values()]
        if answer.blocks:
            message["content"] = [{"type": kind, kind: answer.text(at)} for at, kind in enumerate(answer.blocks)]
        cited = [one for citation in self._citations if (one := answer.cited(citation)) is not None]
        if cited:
            message["citations"] = cited
        written: Json = {"id": answer.id, "finish_reason": written_reason(answer.finished), "message": message}
        written["usage"] = written_usage(answer.usage)
        return _encode(written | ({"logprobs": self._logprobs} if self._logprobs else {}))

    def _say(self, kind: str, text: str) -> None:
        if text:
            self._answer.opens(kind)
            self._answer.add(text)


def _note(answer: _Answer, event: Event) -> None:
    """What is told at the end. Cohere has no word for tools that its servers ran."""
    match event:
        case UsageReported():
            answer.usage = event.usage
        case Finished():
            answer.finished = event
        case HostedToolUsed():
            pass


def _documents(chat: Chat) -> list[Document]:
    """All of the request, in their order: citations count them."""
    documents: list[Document] = []
    for message in chat.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            documents += [one for one in inner if isinstance(one, Document)]
    return documents


def _event(kind: str, message: Json | None, index: int | None = None, **others: Any) -> bytes:
    told: Json = {"type": kind} | others
    if index is not None:
        told["index"] = index
    if message is not None:
        told["delta"] = {"message": message}
    return frame(_encode(told), kind.encode())
