"""A provider's Chat Completions, streamed or whole, to events."""

from __future__ import annotations

from collections.abc import Callable
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
    UsageReported,
)
from isthmus.core.chat.request import Citation, HostedToolUse
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.framing.sse import DONE, ServerSentEvents
from isthmus.wire.framing.whole import WholeBody
from isthmus.wire.json_text import made_up_id
from isthmus.wire.openai_chat.answer.calls import Calls, Counter
from isthmus.wire.openai_chat.answer.logprobs import read_logprobs
from isthmus.wire.openai_chat.answer.schema import Answer, AnsweredCall, Choice, Said
from isthmus.wire.openai_chat.answer.sources import read_annotations, read_sources
from isthmus.wire.openai_chat.answer.usage import ERROR, finish_detail, finish_reason, usage_of
from isthmus.wire.openai_chat.errors import stated_error
from isthmus.wire.openai_chat.messages.thinking import Gathered

CHOICES_MAX = 128
_TIME_MAX = 2**48
_decode = msgspec.json.Decoder(Answer).decode


class AnswerEvents:
    """Answers (one, or one chunk after the other) to events. `finished` once the model said of every choice that has
    begun why it stopped."""

    __slots__ = ("_choices", "_counter", "_searched", "failed", "started")

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._counter = Counter()
        self._searched: Answer | None = None
        self.started = False
        self.failed = False

    @property
    def finished(self) -> bool:
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def of(self, answer: Answer) -> list[Event]:
        if answer.error or (answer.choices and answer.choices[0].finish_reason == ERROR):
            self.failed = True
            return [Failed(error=stated_error(answer.error))]
        events: list[Event] = []
        # Azure's first chunk has neither id nor choices: nothing has started yet.
        if not self.started and (answer.id or answer.choices):
            self._start(answer, events)
        if answer.citations or answer.search_results:
            self._searched = answer
        metered = answer.usage is not None or answer.x_groq is not None
        for choice in answer.choices or ():
            self._choice(choice.index or 0).read(choice, events, self)
            metered = metered or choice.usage is not None
        usage = usage_of(answer) if metered and self.started else None
        if usage is not None:
            events.append(UsageReported(usage=usage))
        return events

    def finish(self, events: list[Event]) -> None:
        """The provider said that this was all, and not why."""
        if not self._choices:
            self._choice(0)
        for choice in self._choices.values():
            if not choice.finished:
                choice.finish("stop", events, self)

    def searched(self, events: list[Event]) -> None:
        """Perplexity's and xAI's sources, which stand beside the answer in every chunk: told once, before its end."""
        answer, self._searched = self._searched, None
        if answer is None:
            return
        found = read_sources(answer)
        if found:
            use = HostedToolUse(id=made_up_id("call_"), tool="web_search", results=tuple(found))
            events.append(HostedToolUsed(use=use))
            events += [Cited(citation=Citation(url=source.url, title=source.title or None)) for source in found]

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is not None:
            return choice
        if not 0 <= index < CHOICES_MAX:
            return self._choice(0)
        choice = self._choices[index] = _Choice(index, self._counter)
        return choice

    def _start(self, answer: Answer, events: list[Event]) -> None:
        self.started = True
        created = int(answer.created) if answer.created and 0 < answer.created < _TIME_MAX else None
        events.append(Started(id=answer.id or made_up_id(""), model=answer.model or "", created=created))


class _Choice:
    __slots__ = ("_calls", "_details", "_has_thought", "_index", "finished")

    def __init__(self, index: int, counter: Counter) -> None:
        self._calls = Calls(counter, index)
        self._details: Gathered | None = None
        self._has_thought = False
        self._index = index
        self.finished = False

    def read(self, choice: Choice, events: list[Event], answer: AnswerEvents) -> None:
        if self.finished:
            return
        if choice.delta is not None:
            self._say(choice, choice.delta, events, whole=False)
        elif choice.message is not None:
            self._say(choice, choice.message, events, whole=True)
        if choice.finish_reason:
            self.finish(choice.finish_reason, events, answer)

    def finish(self, said: str, events: list[Event], answer: AnswerEvents) -> None:
        self.finished = True
        self._end_thinking(events)
        answer.searched(events)
        reason = finish_reason(said, self._calls.any_started)
        events.append(Finished(reason=reason, detail=finish_detail(said), choice=self._index))

    def _say(self, choice: Choice, said: Said, events: list[Event], *, whole: bool) -> None:
        if said.reasoning_content or said.reasoning or said.reasoning_details:
            self._think(said, events)
        if said.content or choice.logprobs is not None:
            self._say_content(choice, said.content, events)
        if said.refusal:
            events.append(RefusalDelta(text=said.refusal, choice=self._index))
        if said.annotations:
            events += [Cited(citation=citation, choice=self._index) for citation in read_annotations(said.annotations)]
        if said.tool_calls or said.function_call is not None:
            self._end_thinking(events)
            self._calls.read(self._pieces(said), events, whole=whole)

    def _say_content(self, choice: Choice, content: str | list[dict[str, Any]] | None, events: list[Event]) -> None:
        if self._details is not None:
            self._end_thinking(events)
        if isinstance(content, list):
            self._say_parts(content, events)
            return
        logprobs = () if choice.logprobs is None else read_logprobs(choice.logprobs)
        if content or logprobs:
            events.append(TextDelta(text=content or "", choice=self._index, logprobs=logprobs))

    def _pieces(self, said: Said) -> list[AnsweredCall]:
        """The old `function_call` is a call without id; its fragments have one place."""
        pieces = said.tool_calls or []
        return pieces if said.function_call is None else [*pieces, AnsweredCall(index=-1, function=said.function_call)]

    def _think(self, said: Said, events: list[Event]) -> None:
        reasoning = said.reasoning_content or said.reasoning
        if reasoning:
            self._has_thought = True
        if said.reasoning_details:
            details = self._details = self._details or Gathered()
            text = details.add(said.reasoning_details)
            # The items say again what the text beside them says, or said before.
            reasoning = reasoning or ("" if self._has_thought else text)
        if reasoning and isinstance(reasoning, str):
            events.append(ReasoningDelta(text=reasoning, choice=self._index))

    def _end_thinking(self, events: list[Event]) -> None:
        details, self._details = self._details, None
        if details is None:
            return
        signature = details.whole()
        if signature is not None:
            events.append(ReasoningDelta(signature=signature, redacted=not details.has_text, choice=self._index))

    def _say_parts(self, parts: list[dict[str, Any]], events: list[Event]) -> None:
        """Mistral's reasoning models answer in parts: `text`, and `thinking` which holds text parts in turn."""
        for part in parts:
            text, thinking = part.get("text"), part.get("thinking")
            if isinstance(text, str) and text:
                events.append(TextDelta(text=text, choice=self._index))
            for thought in thinking if isinstance(thinking, list) else ():
                words = thought.get("text") if isinstance(thought, dict) else None
                if isinstance(words, str) and words:
                    events.append(ReasoningDelta(text=words, choice=self._index))


Decode = Callable[[bytes], Answer]


def decode_answer(data: bytes) -> Answer:
    """Raises `Malformed`."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider's answer is not a chat completion: {error}.") from None


class StreamReader:
    """Reads until `[DONE]`; what comes after it is passed over. `decode` makes a chunk of an event's data."""

    __slots__ = ("_decode", "_events", "_frames", "_spoken", "ended")

    def __init__(self, decode: Decode = decode_answer) -> None:
        self._decode = decode
        self._spoken = False
        self._frames = ServerSentEvents()
        self._events = AnswerEvents()
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        return self._read(self._frames.feed(data))

    def close(self) -> list[Event]:
        try:
            events = self._read(self._frames.close())
        except Malformed:
            events = []  # half an event, where the stream broke off
        if not (self.ended or self._events.finished or self._events.failed):
            if not self._spoken:
                raise Malformed("The provider's stream was empty.")
            raise Interrupted("The provider's stream ended before the answer did.")
        return events

    def _read(self, frames: list[tuple[bytes, bytes]]) -> list[Event]:
        events: list[Event] = []
        reading = self._events
        for _, data in frames:
            self._spoken = True
            if self.ended or reading.failed:
                break
            if data[:1] == b"[" and data.strip() == DONE:
                self.ended = True
                if not reading.started:
                    raise Malformed("The provider's stream held no answer.")
                reading.finish(events)
            elif data:
                events += reading.of(self._decode(data))
        return events


class WholeReader:
    """The events of a whole answer, at its close."""

    __slots__ = ("_body", "_decode")
    ended = False

    def __init__(self, decode: Decode = decode_answer) -> None:
        self._decode = decode
        self._body = WholeBody()

    def feed(self, data: bytes) -> list[Event]:
        self._body.feed(data)
        return []

    def close(self) -> list[Event]:
        answer = self._body.decoded(self._decode, "chat completion")
        reading = AnswerEvents()
        events = reading.of(answer)
        if not reading.failed:
            if not answer.choices:
                raise Malformed("The provider's answer has no `choices`.")
            reading.finish(events)
        return events
