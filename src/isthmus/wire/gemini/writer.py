"""Events to a generateContent answer, streamed (`alt=sse`) or whole. A call's arguments are an object at Google, so
that a call is written when all of it is there."""

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
from isthmus.core.chat.request import Chat
from isthmus.core.chat.usage import Usage
from isthmus.errors import Malformed
from isthmus.wire.custom_tools import wrapped
from isthmus.wire.framing.sse import event as frame
from isthmus.wire.gemini import signatures
from isthmus.wire.gemini.answer import written_reason, written_usage
from isthmus.wire.gemini.errors import write_error
from isthmus.wire.gemini.google_tools import WrittenSources, hosted_parts, written_pages
from isthmus.wire.gemini.signatures import NOT_SIGNED, OWN, Signature
from isthmus.wire.gemini.turns import UNPARSED
from isthmus.wire.json_text import made_up_id, on_one_line

_encode = msgspec.json.encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_Part = dict[str, Any]


class StreamWriter:
    """The last frame waits for the end: it tells why, and what was used."""

    __slots__ = ("_answer", "_failed", "_tail")

    def __init__(self, chat: Chat) -> None:
        self._answer = _Answer(chat)
        self._failed = False
        self._tail = b"}\n\n"  # of every frame: what is known of the answer as a whole

    def write(self, event: Event) -> bytes:
        answer = self._answer
        match event:
            case TextDelta(logprobs=()) if not answer.calls:
                answer.choice(event.choice).said.append(event.text)
                return b"%b%b%b%d}]%b" % (_TEXT, _encode(event.text), _TEXT_END, event.choice, self._tail)
            case Started() | UsageReported():
                answer.note(event)
                self._tail = b",%b\n\n" % _encode(answer.head())[1:]
                return b""
            case Failed():
                self._failed = True
                return frame(write_error(event.error))
        return self._framed(answer.parts(event), event.logprobs if isinstance(event, TextDelta) else ())

    def close(self) -> bytes:
        """Usage may follow the finish, so that the last frame waits for the end."""
        if self._failed or not self._answer.started:
            return b""
        rest = self._framed(self._answer.rest(), ())
        candidates = [candidate | {"content": _content([])} for candidate in self._answer.ends()]
        return rest + b'data: {"candidates":%b%b' % (_encode(candidates), self._tail)

    def _framed(self, parts: list[tuple[int, _Part]], logprobs: tuple[TokenLogprob, ...]) -> bytes:
        out = b""
        for choice, part in parts:
            candidate = {"content": _content([part]), "index": choice} | _scores(logprobs)
            out += b'data: {"candidates":[%b]%b' % (_encode(candidate), self._tail)
        return out


class WholeWriter:
    __slots__ = ("_answer", "_logprobs", "_parts")

    def __init__(self, chat: Chat) -> None:
        self._answer = _Answer(chat)
        self._parts: dict[int, list[_Part]] = {}
        self._logprobs: dict[int, tuple[TokenLogprob, ...]] = {}

    def write(self, event: Event) -> bytes:
        match event:
            case Failed():
                raise event.error
            case Started() | UsageReported():
                self._answer.note(event)
            case _:
                self._add(self._answer.parts(event))
                if isinstance(event, TextDelta) and event.logprobs:
                    self._logprobs[event.choice] = self._logprobs.get(event.choice, ()) + event.logprobs
        return b""

    def close(self) -> bytes:
        if not self._answer.started:
            return b""
        self._add(self._answer.rest())
        candidates = [
            {"content": _content(_joined(self._parts.get(end["index"], [])))}
            | end
            | _scores(self._logprobs.get(end["index"], ()))
            for end in self._answer.ends()
        ]
        return _encode({"candidates": candidates} | self._answer.head())

    def _add(self, parts: list[tuple[int, _Part]]) -> None:
        for choice, part in parts:
            self._parts.setdefault(choice, []).append(part)


class _Choice:
    """What one of the answers has come to."""

    __slots__ = ("called", "finished", "hidden", "pages", "said", "sources")

    def __init__(self) -> None:
        self.said: list[str] = []
        self.hidden: list[str] = []  # thinking that the caller did not ask to see, and that was not signed yet
        self.called = False
        self.sources = WrittenSources()
        self.pages: dict[str, Any] = {}
        self.finished: Finished | None = None


class _Call:
    __slots__ = ("arguments", "started")

    def __init__(self, started: ToolCallStarted) -> None:
        self.started = started
        self.arguments: list[str] = []


class _Answer:
    """Makes parts of events, each with the number of its choice."""

    __slots__ = ("_choices", "_shows_thoughts", "_usage", "calls", "started")

    def __init__(self, chat: Chat) -> None:
        self._shows_thoughts = chat.summary not in (None, "none")
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self.calls: dict[int, _Call] = {}  # those that are not written yet
        self.started: Started | None = None

    def choice(self, index: int) -> _Choice:
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _Choice()
        return found

    def note(self, event: Started | UsageReported) -> None:
        if isinstance(event, Started):
            self.started = event if event.id else msgspec.structs.replace(event, id=made_up_id(""))
        self._usage = event.usage or self._usage

    def head(self) -> dict[str, Any]:
        """What Google says with every chunk."""
        known: dict[str, Any] = {} if self._usage is None else {"usageMetadata": written_usage(self._usage)}
        if self.started is not None:
            known |= {"modelVersion": self.started.model, "responseId": self.started.id}
        return known

    def parts(self, event: Event) -> list[tuple[int, _Part]]:
        match event:
            case TextDelta() | RefusalDelta():
                self.choice(event.choice).said.append(event.text)
                return [*self._complete_calls(), (event.choice, {"text": event.text})]
            case ReasoningDelta():
                return [*self._complete_calls(), *((event.choice, part) for part in self._thought(event))]
            case ToolCallStarted():
                complete = self._complete_calls(free_text=False)
                self.calls[event.index] = _Call(event)
                return complete
            case ToolCallDelta():
                if event.index not in self.calls:
                    raise Malformed("The provider sent arguments for a tool call that it had not begun, or had ended.")
                self.calls[event.index].arguments.append(event.arguments)
            case HostedToolUsed():
                return [*self._complete_calls(), *((event.choice, part) for part in self._hosted(event))]
            case Cited():
                self.choice(event.choice).sources.cited(event.citation)
            case Finished():
                self.choice(event.choice).finished = event
        return []

    def rest(self) -> list[tuple[int, _Part]]:
        """The calls that are still open, as they stand."""
        written = [self._call(call) for call in self.calls.values()]
        self.calls = {}
        return written

    def ends(self) -> list[dict[str, Any]]:
        """A candidate for each choice, without its content."""
        if not self._choices:
            self.choice(0)
        return [self._end(index, choice) for index, choice in sorted(self._choices.items())]

    def _end(self, index: int, choice: _Choice) -> dict[str, Any]:
        reason = written_reason(choice.finished or Finished(reason="stop"))
        return {**reason, "index": index} | choice.sources.written("".join(choice.said)) | choice.pages

    def _complete_calls(self, *, free_text: bool = True) -> list[tuple[int, _Part]]:
        """In their order, so that one whose arguments are not all there holds back those after it. Free text does not
        show its end: beside other calls it may go on."""
        written: list[tuple[int, _Part]] = []
        for index, call in list(self.calls.items()):
            if isinstance(_arguments(call), dict) or (call.started.custom and not free_text):
                break
            written.append(self._call(call))
            del self.calls[index]
        return written

    def _call(self, call: _Call) -> tuple[int, _Part]:
        started = call.started
        choice = self.choice(started.choice)
        part: _Part = {"functionCall": {"id": started.id, "name": started.name, "args": _arguments(call)}}
        if started.signature is not None:
            part["thoughtSignature"] = signatures.written(Signature(opaque=started.signature))
        elif not choice.called:
            # So that Gemini 3 takes it, should the conversation go on there.
            part["thoughtSignature"] = NOT_SIGNED
        choice.called = True
        return started.choice, part

    def _thought(self, event: ReasoningDelta) -> list[_Part]:
        """Google signs a part behind the thinking. Another's signature goes with a thought of its own; where the caller
        did not ask to see thoughts, theirs is kept in it, since it may be of no use without."""
        choice = self.choice(event.choice)
        own = event.signature is not None and event.signature.origin == OWN
        written: list[_Part] = []
        if event.text and self._shows_thoughts:
            written.append({"text": event.text, "thought": True})
        elif event.text:
            choice.hidden.append(event.text)
        if event.signature is None:
            return written
        signature = Signature(opaque=event.signature, text="".join(choice.hidden), redacted=event.redacted)
        choice.hidden = []
        if own and written:
            written[-1]["thoughtSignature"] = event.signature.data
            return written
        flag = {} if own else {"thought": True}
        return [*written, {"text": "", **flag, "thoughtSignature": signatures.written(signature)}]

    def _hosted(self, event: HostedToolUsed) -> list[_Part]:
        choice = self.choice(event.choice)
        parts = [part for part in hosted_parts(event.use) or () if isinstance(part, dict)]
        if not parts:
            choice.sources.used(event.use)
            choice.pages |= written_pages(event.use)
        return parts


_TEXT = b'data: {"candidates":[{"content":{"parts":[{"text":'
_TEXT_END = b'}],"role":"model"},"index":'


def _arguments(call: _Call) -> msgspec.Raw | dict[str, Any]:
    """A dict where they are no object, or nothing."""
    text = "".join(call.arguments)
    if call.started.custom:
        text = wrapped(text)
    if not text.strip():
        return {}
    try:
        data = on_one_line(text).encode()
        _decode_object(data)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {UNPARSED: text}
    return msgspec.Raw(data)


def _content(parts: list[_Part]) -> dict[str, Any]:
    return {"parts": parts or [{"text": ""}], "role": "model"}


def _joined(parts: list[_Part]) -> list[_Part]:
    """Pieces of one text, which a whole answer has in one part."""
    joined: list[_Part] = []
    for part in parts:
        last = joined[-1] if joined else {}
        plain = "text" in part and "thoughtSignature" not in part
        if plain and "text" in last and "thoughtSignature" not in last and last.keys() == part.keys():
            joined[-1] = {**last, "text": last["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


def _scores(logprobs: tuple[TokenLogprob, ...]) -> dict[str, Any]:
    if not logprobs:
        return {}
    return {
        "logprobsResult": {
            "chosenCandidates": [{"token": one.token, "logProbability": one.logprob} for one in logprobs],
            "topCandidates": [
                {"candidates": [{"token": token, "logProbability": logprob} for token, logprob in one.top]}
                for one in logprobs
            ],
        }
    }
