"""Every answer written in a dialect, streamed and whole, and read again in it: the same events, fed whole, byte by byte
and cut at each boundary; and from every provider's dialect into every caller's."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.event import (
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
from isthmus.core.request import Chat
from isthmus.core.usage import Usage
from isthmus.errors import Interrupted, Throttled
from isthmus.wire.registry import DIALECTS

ASKED = Chat(model="author/model", messages=(), stream=True, include_usage=True)
STARTED = Started(id="chatcmpl-1", model="a-model", created=1764000000)
USED = UsageReported(usage=Usage(input_tokens=20, output_tokens=7))
THOUGHT = UsageReported(usage=Usage(input_tokens=20, output_tokens=7, cache_read_tokens=5, reasoning_tokens=3))

ANSWERS: dict[str, list[Event]] = {
    "text": [STARTED, TextDelta(text="Hel"), TextDelta(text='lo 😀 \u2028 "q"\n\n'), Finished(reason="stop"), USED],
    "length": [STARTED, TextDelta(text="Hel"), USED, Finished(reason="length")],
    "filtered": [STARTED, TextDelta(text="I"), Finished(reason="content_filter"), USED],
    "details": [STARTED, TextDelta(text="x"), Finished(reason="stop"), THOUGHT],
    "one call": [
        STARTED,
        ToolCallStarted(index=0, id="call_1", name="weather"),
        ToolCallDelta(index=0, arguments='{"at":'),
        ToolCallDelta(index=0, arguments='"Bern"}'),
        Finished(reason="tool_calls"),
        USED,
    ],
    "words and calls": [
        STARTED,
        TextDelta(text="I look."),
        ToolCallStarted(index=0, id="call_1", name="weather"),
        ToolCallDelta(index=0, arguments='{"at":"Bern \\"x\\"","n":[1.5]}'),
        ToolCallStarted(index=1, id="call_2", name="clock"),
        ToolCallDelta(index=1, arguments="{}"),
        Finished(reason="tool_calls"),
        USED,
    ],
    "calls side by side": [
        STARTED,
        ToolCallStarted(index=0, id="call_1", name="weather"),
        ToolCallStarted(index=1, id="call_2", name="clock"),
        ToolCallDelta(index=0, arguments='{"at":'),
        ToolCallDelta(index=1, arguments='{"in":1}'),
        ToolCallDelta(index=0, arguments='"Bern"}'),
        Finished(reason="tool_calls"),
        USED,
    ],
    "thinking": [
        STARTED,
        ReasoningDelta(text="Hm, "),
        ReasoningDelta(text="well."),
        TextDelta(text="Yes."),
        Finished(reason="stop"),
        USED,
    ],
    "refusal": [STARTED, RefusalDelta(text="I will "), RefusalDelta(text="not."), Finished(reason="stop"), USED],
    "empty": [STARTED, Finished(reason="stop"), USED],
}

# What a dialect's answers cannot say. A refusal without a field of its own is text.
CANNOT: dict[str, set[str]] = {
    "anthropic_messages": {"refusal"},
    "openai_chat": set(),
    "openai_chat_compatible": set(),
    "openai_responses": set(),
    "workers_ai": {"model", "reasoning", "refusal"},
}


def folded(events: Iterable[Event]) -> dict[str, Any]:
    """An answer as a whole, from its events; and that they came in an order that the event's documentation allows."""
    answer: dict[str, Any] = {"model": None, "text": "", "refusal": "", "reasoning": "", "reason": None, "usage": None}
    calls: list[list[str]] = []
    for place, event in enumerate(events):
        assert isinstance(event, Started) is (place == 0)
        assert answer["reason"] is None or isinstance(event, UsageReported)
        match event:
            case Started():
                assert event.id
                answer["model"], answer["usage"] = event.model, event.usage
            case TextDelta():
                answer["text"] += event.text
            case RefusalDelta():
                answer["refusal"] += event.text
            case ReasoningDelta():
                answer["reasoning"] += event.text
            case ToolCallStarted():
                assert event.index == len(calls)
                calls.append([event.id, event.name, ""])
            case ToolCallDelta():
                calls[event.index][2] += event.arguments
            case UsageReported():
                answer["usage"] = event.usage
            case Finished():
                answer["reason"] = event.reason
    answer["calls"] = [(id_, name, msgspec.json.decode(text or "{}")) for id_, name, text in calls]
    return answer


def expected(name: str, events: Iterable[Event]) -> dict[str, Any]:
    answer = folded(events)
    cannot = CANNOT[name]
    if "refusal" in cannot:
        answer["text"] += answer["refusal"]
        answer["refusal"] = ""
    for field in cannot - {"refusal"}:
        answer[field] = ""
    if answer["calls"] and answer["reason"] == "stop":
        answer["reason"] = "tool_calls"
    return answer


def written(name: str, events: Iterable[Event], whole: bool) -> bytes:
    writer = DIALECTS[name].writer(whole, ASKED)
    return b"".join([*[writer.write(event) for event in events], writer.close()])


def read(name: str, pieces: Iterable[bytes], whole: bool) -> list[Event]:
    reader = DIALECTS[name].reader(whole)
    return [*itertools.chain.from_iterable(reader.feed(piece) for piece in pieces), *reader.close()]


def cuts(data: bytes) -> Iterable[list[bytes]]:
    """Whole, byte by byte, in events, and in two around each place where an event ends."""
    yield [data]
    yield [data[place : place + 1] for place in range(len(data))]
    ends = [found.end() for found in re.finditer(rb"\n\n", data)]
    yield [data[a:b] for a, b in itertools.pairwise((0, *ends, len(data)))]
    for end in ends[:4]:
        for place in (end - 1, end, end + 1, end + 9):
            yield [data[:place], data[place:]]


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", DIALECTS)
def test_what_is_written_is_read_again(name: str, answer: str, whole: bool) -> None:
    data = written(name, ANSWERS[answer], whole)
    for pieces in cuts(data):
        assert folded(read(name, pieces, whole)) == expected(name, ANSWERS[answer])


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", ["openai_chat", "openai_responses", "anthropic_messages"])
def test_fragments_stay_fragments(name: str, answer: str) -> None:
    """Nothing is held back and nothing is joined: as many deltas come out as went in."""
    deltas = TextDelta | ToolCallDelta | ReasoningDelta | RefusalDelta
    sent = [event for event in ANSWERS[answer] if isinstance(event, deltas)]
    events = read(name, [written(name, ANSWERS[answer], False)], False)
    got = [event for event in events if isinstance(event, deltas)]
    assert [text_of(event) for event in got if text_of(event)] == [text_of(event) for event in sent]


def text_of(event: Any) -> str:
    return str(event.arguments if isinstance(event, ToolCallDelta) else event.text)


@pytest.mark.parametrize(("provider", "caller"), list(itertools.product(DIALECTS, DIALECTS)))
@pytest.mark.parametrize("answer", ANSWERS)
def test_from_every_provider_to_every_caller(provider: str, caller: str, answer: str) -> None:
    data = written(provider, ANSWERS[answer], False)
    events = read(provider, [data], False)
    for whole in (False, True):
        assert folded(read(caller, [written(caller, events, whole)], whole)) == expected(caller, events)


# --- where a stream ends, and what is found in it afterwards --------------------------------------------------------


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", DIALECTS)
def test_a_stream_says_where_it_ends_and_a_cut_one_is_noticed(name: str, answer: str) -> None:
    dialect = DIALECTS[name]
    data = written(name, ANSWERS[answer], False)
    blocks = [block + b"\n\n" for block in data.split(b"\n\n")[:-1]]
    assert [dialect.stream_ended(block) for block in blocks] == [False] * (len(blocks) - 1) + [True]
    first_end = next(place for place, block in enumerate(blocks) if is_the_end(name, blocks[: place + 1]))
    for place in range(first_end):
        with pytest.raises(Interrupted):
            read(name, [b"".join(blocks[: place + 1])], False)


def is_the_end(name: str, blocks: list[bytes]) -> bool:
    """A reason to finish has been given: what follows is usage and form."""
    reader = DIALECTS[name].reader(False)
    return any(isinstance(event, Finished) for block in blocks for event in reader.feed(block))


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", DIALECTS)
def test_a_summary_knows_what_a_reader_knows(name: str, answer: str, whole: bool) -> None:
    data = written(name, ANSWERS[answer], whole)
    summary = DIALECTS[name].summarize(data, whole)
    known = folded(read(name, [data], whole))
    assert summary.usage == known["usage"]
    assert summary.finish_reason == known["reason"]
    assert (summary.model or "") == known["model"]
    assert not summary.failed


@pytest.mark.parametrize("name", DIALECTS)
def test_a_failure_in_the_middle_is_read_as_one(name: str) -> None:
    dialect = DIALECTS[name]
    writer = dialect.writer(False, ASKED)
    begun: list[Event] = [STARTED, TextDelta(text="Hel")]
    data = b"".join(writer.write(event) for event in begun)
    data += writer.write(Failed(error=Throttled("Too much, too fast."))) + writer.close()
    for pieces in cuts(data):
        failed = read(name, pieces, False)[-1]
        assert isinstance(failed, Failed)
        assert failed.error.message == "Too much, too fast."
    assert dialect.summarize(data, False).failed
    with pytest.raises(Throttled):
        dialect.writer(True, ASKED).write(Failed(error=Throttled("Too much, too fast.")))


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("data", [b"", b"{", b"<html></html>", b"\x00\xff" * 50, b"data: {\n\n", b"data: [DONE]\n\n"])
def test_a_summary_never_raises(name: str, data: bytes) -> None:
    for whole in (False, True):
        assert DIALECTS[name].summarize(data, whole).usage is None


# --- any answer -----------------------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
said = texts.map(lambda text: TextDelta(text=text)) | texts.map(lambda text: ReasoningDelta(text=text))
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
arguments = st.dictionaries(texts, st.integers(0, 9) | texts | st.none(), max_size=2)
counts = st.integers(0, 10**6)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Words, thoughts and calls in any order, the calls' arguments in any fragments; usage before or after the end."""
    events: list[Event] = [STARTED]
    called = 0
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            events.append(draw(said))
            continue
        events.append(ToolCallStarted(index=called, id=f"call_{called}", name=draw(names)))
        text = msgspec.json.encode(draw(arguments)).decode()
        edges = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=3))})
        events += [ToolCallDelta(index=called, arguments=text[a:b]) for a, b in itertools.pairwise(edges)]
        called += 1
    inputs, outputs = draw(counts), draw(counts)
    cached, thought = draw(st.integers(0, inputs)), draw(st.integers(0, outputs))
    usage = Usage(input_tokens=inputs + 1, output_tokens=outputs, cache_read_tokens=cached, reasoning_tokens=thought)
    reason = "tool_calls" if called else draw(st.sampled_from(["stop", "length", "content_filter"]))
    end = [UsageReported(usage=usage), Finished(reason=reason)]
    return events + (end if draw(st.booleans()) else end[::-1])


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=20, deadline=None, database=None)
@given(events=answers(), size=st.integers(1, 60))
def test_any_answer_comes_back(name: str, events: list[Event], size: int) -> None:
    wanted = expected(name, events)
    for whole in (False, True):
        data = written(name, events, whole)
        pieces = [data[place : place + size] for place in range(0, len(data), size)]
        assert folded(read(name, pieces, whole)) == wanted
