"""Whatever happens in an answer, what is written of it and read again is what happened."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.event import (
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.request import Chat
from isthmus.core.usage import Usage
from isthmus.wire.anthropic_messages import DIALECT

CHAT = Chat(model="m", messages=())
TEXT = st.text(min_size=1, max_size=12)
COUNT = st.integers(0, 10**6)


@st.composite
def answers(draw):
    """Texts, thoughts and calls in any order, in any pieces."""
    events = [Started(id="x", model="m")]
    calls = 0
    for kind in draw(st.lists(st.sampled_from(("text", "thought", "call")), max_size=6)):
        if kind == "text":
            events += [TextDelta(text=text) for text in draw(st.lists(TEXT, min_size=1, max_size=3))]
        elif kind == "thought":
            events += [ReasoningDelta(text=text) for text in draw(st.lists(TEXT, min_size=1, max_size=3))]
            if draw(st.booleans()):
                events.append(ReasoningDelta(signature=draw(TEXT)))
        else:
            arguments = json.dumps(draw(st.dictionaries(TEXT, st.one_of(TEXT, COUNT, st.none()), max_size=3)))
            cut = draw(st.integers(0, len(arguments)))
            events.append(ToolCallStarted(index=calls, id=f"call_{calls}", name="f"))
            pieces = (piece for piece in (arguments[:cut], arguments[cut:]) if piece)
            events += [ToolCallDelta(index=calls, arguments=piece) for piece in pieces]
            calls += 1
    read, written = draw(COUNT), draw(COUNT)
    usage = Usage(
        input_tokens=draw(COUNT) + read + written,
        output_tokens=draw(COUNT),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=draw(COUNT),
    )
    reason = "tool_calls" if calls else draw(st.sampled_from(("stop", "length", "content_filter")))
    return [*events, Finished(reason=reason), UsageReported(usage=usage)]


def told(events):
    """What an answer comes to."""
    parts, usage, reason, model = [], None, None, None
    for event in events:
        if isinstance(event, TextDelta):
            if not parts or parts[-1][0] != "text":
                parts.append(["text", ""])
            parts[-1][1] += event.text
        elif isinstance(event, ReasoningDelta):
            if not parts or parts[-1][0] != "thought" or parts[-1][2] is not None:
                parts.append(["thought", "", None])
            parts[-1][1] += event.text
            parts[-1][2] = event.signature
        elif isinstance(event, ToolCallStarted):
            parts.append(["call", event.id, event.name, ""])
        elif isinstance(event, ToolCallDelta):
            parts[-1][3] += event.arguments
        elif isinstance(event, UsageReported):
            usage = event.usage
        elif isinstance(event, Finished):
            reason = event.reason
        elif isinstance(event, Started):
            model = event.model
    calls = [[*part[:3], json.loads(part[3])] if part[0] == "call" else part for part in parts]
    return calls, usage, reason, model


@settings(max_examples=80, deadline=None)
@given(answers(), st.booleans(), st.integers(1, 200))
def test_an_answer_written_and_read_again(events, whole, size):
    writer, reader = DIALECT.writer(whole, CHAT), DIALECT.reader(whole)
    data = b"".join([*(writer.write(event) for event in events), writer.close()])
    read = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert told(read + reader.close()) == told(events)
    summary = DIALECT.summarize(data, whole)
    assert (summary.usage, summary.finish_reason) == told(events)[1:3]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_crash_a_summary(data, whole):
    assert DIALECT.summarize(data, whole).usage is None
    assert not DIALECT.stream_ended(data)
