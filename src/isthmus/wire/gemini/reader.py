"""Google's answers, streamed or whole, to events. A stream has no last event: it ends with its connection, and was cut
short where no reason for the end was told. What Google adds over time is passed over."""

from __future__ import annotations

import re

import msgspec

from isthmus.core.chat.event import (
    Cited,
    Event,
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.part import Opaque
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.framing.sse import DONE, ServerSentEvents
from isthmus.wire.framing.whole import WholeBody
from isthmus.wire.gemini import schema
from isthmus.wire.gemini.answer import finished, read_usage
from isthmus.wire.gemini.errors import stated_error
from isthmus.wire.gemini.google_tools import HostedUses, SaidText, Sources, hosted_part
from isthmus.wire.gemini.signatures import OWN
from isthmus.wire.json_text import made_up_id

STRAY_MAX_BYTES = 64 * 1024

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_decode_answer = msgspec.json.Decoder(schema.Answer).decode
_decode_answers = msgspec.json.Decoder(schema.Answer | list[schema.Answer]).decode


class StreamReader:
    __slots__ = ("_answer", "_frames", "_stray", "ended")

    def __init__(self) -> None:
        self._frames = ServerSentEvents()
        self._answer = _Answer()
        self._stray = b""
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        self._stray = b"" if data.endswith((b"\n\n", b"\r\n\r\n")) else (self._stray + data)[-STRAY_MAX_BYTES:]
        return self._events(self._frames.feed(data))

    def close(self) -> list[Event]:
        events = self._events(self._frames.close())
        if not self.ended and (failure := _stray_error(self._stray)) is not None:
            events.append(failure)
            self.ended = True
        return events if self.ended else events + self._answer.end()

    def _events(self, frames: list[tuple[bytes, bytes]]) -> list[Event]:
        events: list[Event] = []
        for _, data in frames:
            if self.ended:
                break
            if data == DONE:
                continue
            try:
                chunk = _decode_answer(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Malformed(
                    f"The provider sent a stream event that is none of generateContent's: {error}."
                ) from None
            if chunk.error is not None:
                events.append(Failed(error=stated_error(chunk.error)))
                self.ended = True
            else:
                self._answer.read(chunk, events)
        return events


class WholeReader:
    """One answer, or a list of a stream's chunks: what Google sends for a stream without `alt=sse`."""

    __slots__ = ("_body",)
    ended = False

    def __init__(self) -> None:
        self._body = WholeBody()

    def feed(self, data: bytes) -> list[Event]:
        self._body.feed(data)
        return []

    def close(self) -> list[Event]:
        given = self._body.decoded(_decode_answers, "generateContent answer")
        answer = _Answer()
        events: list[Event] = []
        for chunk in given if isinstance(given, list) else [given]:
            if chunk.error is not None:
                return [*events, Failed(error=stated_error(chunk.error))]
            answer.read(chunk, events)
        if not answer.said_anything:
            raise Malformed("The provider's answer holds no candidate.")
        if not isinstance(given, list):
            answer.stop_all()
        return events + answer.end()


class _Answer:
    """What one answer has told so far, over all its choices."""

    __slots__ = ("_blocked", "_calls", "_choices", "_started", "_usage", "_used")

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._started = False
        self._blocked: str | None = None
        self._calls = 0
        self._usage: schema.AnsweredUsage | None = None
        self._used: Usage | None = None

    @property
    def said_anything(self) -> bool:
        return bool(self._choices) or self._blocked is not None

    def read(self, chunk: schema.Answer, events: list[Event]) -> None:
        usage = None if chunk.usage_metadata is None else read_usage(chunk.usage_metadata)
        if not self._started:
            self._started = True
            id_ = chunk.response_id or made_up_id("")
            events.append(Started(id=id_, model=chunk.model_version or "", usage=usage))
        for candidate in chunk.candidates or ():
            choice = self._choices.setdefault(candidate.index or 0, _Choice(candidate.index or 0))
            self._calls = choice.read(candidate, self._calls, events)
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._blocked = chunk.prompt_feedback.block_reason
        if usage is not None and usage != self._used:
            self._usage, self._used = chunk.usage_metadata, usage
            events.append(UsageReported(usage=usage))

    def stop_all(self) -> None:
        """A whole answer ends where it ends, whether or not it says why."""
        for choice in self._choices.values():
            choice.reason = choice.reason or "STOP"

    def end(self) -> list[Event]:
        """Raises `Interrupted` where a choice has no reason for its end."""
        choices = self._choices.values()
        if not self.said_anything or any(choice.reason is None for choice in choices):
            raise Interrupted("The provider stopped in the middle of its answer.")
        events: list[Event] = []
        if not choices:
            events.append(Finished(reason="content_filter", detail=self._blocked))
        for choice in choices:
            choice.told(events)
        searches = sum(choice.sources.searched for choice in choices)
        if searches and self._usage is not None:
            events.append(UsageReported(usage=read_usage(self._usage, searches)))
        # Some servers give a reason with every chunk: only the last one is the end.
        events += [finished(choice.reason or "STOP", choice.called, choice.index) for choice in choices]
        return events


class _Choice:
    __slots__ = ("_hosted", "_said", "_searched", "_signed", "called", "index", "reason", "sources")

    def __init__(self, index: int) -> None:
        self.index = index
        self.reason: str | None = None
        self.called = False
        self.sources = Sources()
        self._said = SaidText()
        self._hosted = HostedUses(lambda: made_up_id("srvtool_"))
        self._searched = False  # a part of the content told of a search
        self._signed: list[Event] = []  # a signature behind a text, held back: the text's sources are told after all

    def read(self, candidate: schema.Candidate, calls: int, events: list[Event]) -> int:
        """Gives how many calls the answer has now."""
        scores = _logprobs(candidate.logprobs_result)
        before = len(events)
        for part in (candidate.content.parts if candidate.content is not None else None) or ():
            events += self._signed
            self._signed = []
            if part.function_call is not None:
                self._call(part, part.function_call, calls, events)
                calls += 1
            elif hosted := hosted_part(part):
                self._said.add("")
                if (use := self._hosted.add(hosted)) is not None:
                    self._searched |= use.tool == "web_search"
                    events.append(HostedToolUsed(use=use, choice=self.index))
            else:
                self._text(part, events)
        if scores:
            self._scored(scores, before, events)
        self.sources.add(candidate)
        self.reason = candidate.finish_reason or self.reason
        return calls

    def told(self, events: list[Event]) -> None:
        """What is known of tools and sources when all is said: first the sources, which belong to the text that was
        said."""
        used: list[Event] = []
        for use in self._hosted.rest():
            self._searched |= use.tool == "web_search"
            used.append(HostedToolUsed(use=use, choice=self.index))
        found = self.sources.events(self._said, self.index, lambda: made_up_id("srvtool_"), self._searched)
        events += [event for event in found if isinstance(event, Cited)]
        events += self._signed + used + [event for event in found if not isinstance(event, Cited)]

    def _call(self, part: schema.AnsweredPart, call: schema.AnsweredCall, index: int, events: list[Event]) -> None:
        self.called = True
        self._said.add("")
        id_ = call.id or made_up_id("call_")
        signature = _signature(part)
        events.append(
            ToolCallStarted(index=index, id=id_, name=call.name or "", signature=signature, choice=self.index)
        )
        events.append(ToolCallDelta(index=index, arguments=_arguments(call)))

    def _text(self, part: schema.AnsweredPart, events: list[Event]) -> None:
        """Google signs the part behind the thinking, an empty one at the end of a stream."""
        text, signature = part.text or "", _signature(part)
        if part.thought:
            self._said.add("")
            if text or signature is not None:
                events.append(ReasoningDelta(text=text, signature=signature, choice=self.index))
            return
        self._said.add(text)
        if text:
            events.append(TextDelta(text=text, choice=self.index))
        if signature is not None:
            self._signed = [ReasoningDelta(signature=signature, choice=self.index)]

    def _scored(self, scores: tuple[TokenLogprob, ...], before: int, events: list[Event]) -> None:
        """A chunk tells the tokens of all its text."""
        for at in range(before, len(events)):
            event = events[at]
            if isinstance(event, TextDelta):
                events[at] = msgspec.structs.replace(event, logprobs=scores)
                return
        events.append(TextDelta(text="", logprobs=scores, choice=self.index))


def _signature(part: schema.AnsweredPart) -> Opaque | None:
    return Opaque(origin=OWN, data=part.thought_signature) if part.thought_signature else None


def _arguments(call: schema.AnsweredCall) -> str:
    given = bytes(call.args)
    if not given.startswith(b"{"):
        return "{}"
    try:
        return msgspec.json.format(given, indent=-1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider sent a tool call whose arguments are not JSON: {error}.") from None


def _logprobs(result: schema.LogprobsResult | None) -> tuple[TokenLogprob, ...]:
    if result is None:
        return ()
    tops = result.top_candidates or ()
    scores = []
    for at, chosen in enumerate(result.chosen_candidates or ()):
        rivals = (tops[at].candidates if at < len(tops) else None) or ()
        top = tuple((rival.token or "", rival.log_probability or 0.0) for rival in rivals)
        scores.append(TokenLogprob(token=chosen.token or "", logprob=chosen.log_probability or 0.0, top=top))
    return tuple(scores)


def _stray_error(data: bytes) -> Failed | None:
    """Google may break a stream off with an error that is no event: bare JSON over several lines."""
    stray = _BLANK_LINE.split(data)[-1].strip()
    if not stray.startswith((b"{", b"[")):
        return None
    try:
        given = _decode_answers(stray)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    answer = given[0] if isinstance(given, list) and given else given
    if isinstance(answer, list) or answer.error is None:
        return None
    return Failed(error=stated_error(answer.error))
