"""Events to a Converse answer, whole or as its binary event stream."""

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
from isthmus.core.chat.usage import Usage
from isthmus.errors import Malformed
from isthmus.wire.anthropic_messages.parts.calls import tool_input
from isthmus.wire.bedrock_converse.answer import metadata, stopped
from isthmus.wire.bedrock_converse.errors import stream_exception_name, write_error
from isthmus.wire.bedrock_converse.parts.citations import written_citation
from isthmus.wire.bedrock_converse.parts.signatures import OWN, is_blob
from isthmus.wire.custom_tools import wrapped
from isthmus.wire.framing.eventstream import encode
from isthmus.wire.sealed import seal, seal_id

Json = dict[str, Any]

_encode = msgspec.json.encode


class _Call:
    """A call's block in the answer, and its arguments so far."""

    __slots__ = ("block", "custom", "pieces")

    def __init__(self, block: int, custom: bool) -> None:
        self.block = block
        self.custom = custom
        self.pieces: list[str] = []

    def arguments(self) -> msgspec.Raw | dict[str, str]:
        text = "".join(self.pieces)
        return tool_input(wrapped(text) if self.custom else text)[0]

    def complete(self) -> bool:
        text = "".join(self.pieces)
        return not self.custom and bool(text) and tool_input(text)[1]


class StreamWriter:
    """One block is open at a time, as Bedrock has it. Only where a provider mixes the arguments of several calls do
    their blocks stand open beside each other, told apart by their index."""

    __slots__ = ("_called", "_calls", "_cited", "_failed", "_finished", "_kind", "_next", "_started", "_usage")

    def __init__(self) -> None:
        self._usage = Usage()
        self._kind = ""  # of the text or thinking block that is open
        self._cited = False  # the text block that is open has its sources: what follows is another
        self._next = 0
        self._calls: dict[int, _Call] = {}
        self._called = False
        self._started = False
        self._finished: Finished | None = None
        self._failed = False

    def write(self, event: Event) -> bytes:
        match event:
            case TextDelta() | RefusalDelta():
                return self._turn_to("text") + self._delta({"text": event.text})
            case ToolCallDelta():
                return self._arguments(event)
            case ReasoningDelta():
                return self._reasoning(event)
            case ToolCallStarted():
                return self._call(event)
            case Cited():
                return self._source(event)
            case Started():
                self._started = True
                self._usage = event.usage or self._usage
                return _framed("messageStart", {"role": "assistant"})
            case UsageReported():
                self._usage = event.usage
            case Finished():
                self._finished = event
                return self._leave() + self._leave_calls(every=True)
            case Failed():
                self._failed = True
                name = stream_exception_name(event.error)
                return _message({":exception-type": name}, "exception", write_error(event.error))
        return b""  # a tool that the provider ran itself: Converse takes no such block back

    def close(self) -> bytes:
        """Usage may follow the finish, so that the last events wait for the end."""
        if self._failed or not self._started:
            return b""
        left = self._leave() + self._leave_calls(every=True)
        stop = _framed("messageStop", stopped(self._finished, self._called))
        return left + stop + _framed("metadata", metadata(self._usage))

    def _turn_to(self, kind: str) -> bytes:
        """A new block unless one of this kind is open. Text and thinking begin with their first delta."""
        if self._kind == kind and not self._cited:
            return b""
        left = self._leave() + self._leave_calls(every=False)
        self._kind = kind
        self._next += 1
        return left

    def _delta(self, delta: Json, block: int | None = None) -> bytes:
        index = self._next - 1 if block is None else block
        return _framed("contentBlockDelta", {"delta": delta, "contentBlockIndex": index})

    def _leave(self) -> bytes:
        if not self._kind:
            return b""
        self._kind = ""
        self._cited = False
        return _framed("contentBlockStop", {"contentBlockIndex": self._next - 1})

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        out = b""
        if event.redacted:  # a block of its own
            out = self._leave()
        out += self._turn_to("thinking")
        if event.text:
            out += self._delta({"reasoningContent": {"text": event.text}})
        if event.signature is not None:
            # A signature ends its block.
            out += self._delta({"reasoningContent": _signed(event)}) + self._leave()
        return out

    def _source(self, event: Cited) -> bytes:
        """A source that comes when its text has been left has no place any more."""
        citation = written_citation(event.citation)
        if citation is None or self._kind != "text":
            return b""
        self._cited = True
        return self._delta({"citation": citation})

    def _call(self, event: ToolCallStarted) -> bytes:
        left = self._leave() + self._leave_calls(every=False)
        self._calls[event.index] = _Call(self._next, event.custom)
        self._called = True
        self._next += 1
        start = {"toolUse": {"toolUseId": seal_id(event.id, event.signature), "name": event.name}}
        return left + _framed("contentBlockStart", {"start": start, "contentBlockIndex": self._next - 1})

    def _arguments(self, event: ToolCallDelta) -> bytes:
        call = self._calls.get(event.index)
        if call is None:
            raise Malformed("The provider sent arguments for a tool call that it had not begun, or had ended.")
        call.pieces.append(event.arguments)
        return b"" if call.custom else self._delta({"toolUse": {"input": event.arguments}}, call.block)

    def _leave_calls(self, *, every: bool) -> bytes:
        """Ends the calls whose arguments are all there; at the answer's end, every one. Free text becomes JSON when
        there is no more of it."""
        out = b""
        for index, call in list(self._calls.items()):
            if every or call.complete():
                if call.custom:
                    text = wrapped("".join(call.pieces))
                    out += self._delta({"toolUse": {"input": text}}, call.block)
                out += _framed("contentBlockStop", {"contentBlockIndex": call.block})
                del self._calls[index]
        return out


class WholeWriter:
    __slots__ = ("_calls", "_content", "_finished", "_started", "_usage")

    def __init__(self) -> None:
        self._usage = Usage()
        self._finished: Finished | None = None
        self._content: list[Json] = []
        self._calls: dict[int, _Call] = {}
        self._started = False

    def write(self, event: Event) -> bytes:
        match event:
            case TextDelta() | RefusalDelta():
                self._block("text").setdefault("text", []).append(event.text)
            case ReasoningDelta():
                self._reasoning(event)
            case ToolCallStarted():
                use = {"toolUseId": seal_id(event.id, event.signature), "name": event.name, "input": {}}
                self._calls[event.index] = _Call(len(self._content), event.custom)
                self._content.append({"toolUse": use})
            case ToolCallDelta():
                if event.index not in self._calls:
                    raise Malformed("The provider sent arguments for a tool call that it had not begun.")
                self._calls[event.index].pieces.append(event.arguments)
            case Cited():
                self._source(event)
            case Started():
                self._started = True
                self._usage = event.usage or self._usage
            case UsageReported():
                self._usage = event.usage
            case Finished():
                self._finished = event
            case Failed():
                raise event.error
        return b""  # a tool that the provider ran itself: Converse takes no such block back

    def close(self) -> bytes:
        if not self._started:
            return b""
        for call in self._calls.values():
            self._content[call.block]["toolUse"]["input"] = call.arguments()
        content = [_joined(block) for block in self._content]
        answer = {"output": {"message": {"role": "assistant", "content": content}}}
        return _encode(answer | stopped(self._finished, bool(self._calls)) | metadata(self._usage))

    def _block(self, kind: str) -> Json:
        """The last block where it is of this kind and goes on, else a new one."""
        last = self._content[-1] if self._content else {}
        if kind not in last or "citations" in last or "signature" in last:
            last = {kind: []}
            self._content.append(last)
        return last

    def _reasoning(self, event: ReasoningDelta) -> None:
        if event.redacted and event.signature is not None:
            self._content.append({"reasoning": [], "signature": _signed(event)})
            return
        block = self._block("reasoning")
        block["reasoning"].append(event.text)
        if event.signature is not None:
            block["signature"] = _signed(event)

    def _source(self, event: Cited) -> None:
        citation = written_citation(event.citation)
        if citation is not None and self._content and "text" in self._content[-1]:
            self._content[-1].setdefault("citations", []).append(citation)


def _joined(block: Json) -> Json:
    """A block that was gathered in pieces, as Converse has it."""
    if "reasoning" in block:
        signed = block.get("signature", {})
        if "redactedContent" in signed:
            return {"reasoningContent": signed}
        return {"reasoningContent": {"reasoningText": {"text": "".join(block["reasoning"]), **signed}}}
    if "text" in block:
        text = "".join(block["text"])
        if "citations" in block:
            return {"citationsContent": {"content": [{"text": text}], "citations": block["citations"]}}
        return {"text": text}
    return block


def _signed(event: ReasoningDelta) -> Json:
    """Redacted thinking is bytes at AWS, which only Claude's own is: another vendor's is sealed as a signature."""
    assert event.signature is not None
    text = seal(event.signature, OWN)
    return {"redactedContent": text} if event.redacted and is_blob(text) else {"signature": text}


def _framed(name: str, fields: Json) -> bytes:
    return _message({":event-type": name}, "event", _encode(fields))


def _message(named: dict[str, str], kind: str, payload: bytes) -> bytes:
    return encode({**named, ":content-type": "application/json", ":message-type": kind}, payload)
