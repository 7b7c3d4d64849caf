"""Recorded answers, cut in every way that a network may cut them."""

from __future__ import annotations

import json

import msgspec
import pytest

from isthmus.core.chat.event import (
    Failed,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from isthmus.core.chat.model import Model
from isthmus.core.chat.part import Opaque
from isthmus.errors import Interrupted
from isthmus.wire.body import Body
from isthmus.wire.openai_responses import DIALECT


def read(chunks):
    reader = DIALECT.reader(whole=False)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.close()


def expected(case):
    return json.loads((case / "events.json").read_text())


def test_read_in_one_piece(case, plain):
    assert plain(read([(case / "stream.sse").read_bytes()])) == expected(case)


def test_read_byte_by_byte(case, plain):
    stream = (case / "stream.sse").read_bytes()
    assert plain(read(stream[at : at + 1] for at in range(len(stream)))) == expected(case)


def test_read_cut_at_each_event(case, plain):
    stream = (case / "stream.sse").read_bytes()
    assert plain(read(block + b"\n\n" for block in stream.split(b"\n\n")[:-1])) == expected(case)


def test_read_with_other_line_ends(case, plain):
    stream = (case / "stream.sse").read_bytes()
    assert plain(read([stream.replace(b"\n", b"\r\n")])) == expected(case)


def test_every_stream_cut_short_is_interrupted(case):
    blocks = (case / "stream.sse").read_bytes().split(b"\n\n")[:-1]
    ends = (
        b'"type":"response.completed"',
        b'"type":"response.incomplete"',
        b'"type":"response.failed"',
        b'"type":"error"',
    )
    last = next(at for at, block in enumerate(blocks) if any(end in block for end in ends))
    for count in range(last):
        with pytest.raises(Interrupted):
            read([b"\n\n".join(blocks[:count]) + b"\n\n"])


def test_the_end_of_a_relayed_stream_is_its_last_event(case):
    stream = (case / "stream.sse").read_bytes().removesuffix(b"data: [DONE]\n\n")
    events = [event + b"\n\n" for event in stream.split(b"\n\n")[:-1]]
    seen = [DIALECT.stream_ended(event) for event in events]
    assert seen.index(True) == len(events) - 1
    assert DIALECT.stream_ended(stream)


def test_summary_of_a_relayed_stream(case):
    stream = (case / "stream.sse").read_bytes()
    events = read([stream])
    summary = DIALECT.summarize(stream, whole=False)
    usages = [event.usage for event in events if hasattr(event, "usage")]
    reasons = [event.reason for event in events if hasattr(event, "reason")]
    assert summary.model == events[0].model
    assert summary.usage == usages[-1]
    assert summary.finish_reason == (reasons[0] if reasons else None)
    assert summary.failed == isinstance(events[-1], Failed)


def test_requests_survive_a_round_trip(case, validate):
    asked = json.loads((case / "request.json").read_text())
    validate("CreateResponse", asked)
    chat = DIALECT.read_request(Body(msgspec.json.encode(asked)))
    assert chat.unplaced == ()
    written = DIALECT.write_request(chat, Model(name=chat.model, thinking="adaptive"))
    assert written.notes == ()
    assert written.fetch == ()
    validate("CreateResponse", json.loads(written.body))
    # Thinking is asked for in the form that can be sent again, whether or not the caller wants it so.
    assert DIALECT.read_request(Body(written.body)) == msgspec.structs.replace(chat, keep_reasoning=True)


def test_written_again_an_answer_says_the_same(case, plain, frames):
    """What is written of the events of a stream, streamed and whole, is read as those events again."""
    events = read([(case / "stream.sse").read_bytes()])
    asked = json.loads((case / "request.json").read_text())
    chat = msgspec.structs.replace(DIALECT.read_request(Body(json.dumps(asked).encode())), keep_reasoning=True)
    if isinstance(events[-1], Failed):
        return
    for whole in (False, True):
        writer = DIALECT.writer(whole, chat)
        data = b"".join([*(writer.write(event) for event in events), writer.close()])
        reader = DIALECT.reader(whole)
        assert told(reader.feed(data) + reader.close()) == told(events)


def told(events):
    """Pieces of the same put together; thinking's own id is the one of the answer that it comes in."""
    joined = []
    for event in events:
        before = joined[-1] if joined else None
        if isinstance(event, ReasoningDelta) and event.signature is not None:
            data = {"encrypted_content": json.loads(event.signature.data)["encrypted_content"]}
            signature = Opaque(origin=event.signature.origin, data=json.dumps(data))
            event = msgspec.structs.replace(event, signature=signature)
        if type(before) is type(event) and isinstance(event, TextDelta | RefusalDelta | ReasoningDelta):
            more = {"text": before.text + event.text}
            if isinstance(event, TextDelta):
                more["logprobs"] = before.logprobs + event.logprobs
            if isinstance(event, ReasoningDelta):
                more["signature"] = event.signature
            joined[-1] = msgspec.structs.replace(before, **more)
        elif isinstance(event, ToolCallDelta) and isinstance(before, ToolCallDelta):
            joined[-1] = msgspec.structs.replace(before, arguments=before.arguments + event.arguments)
        elif isinstance(event, UsageReported):
            tier = event.usage.service_tier or "default"
            joined.append(UsageReported(usage=msgspec.structs.replace(event.usage, service_tier=tier)))
        else:
            joined.append(event)
    return joined
