"""Recorded answers, cut in every way that a network may cut them."""

from __future__ import annotations

import json

import msgspec
import pytest

from isthmus.core.chat.event import Failed
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Text
from isthmus.errors import Interrupted
from isthmus.wire.anthropic_messages import DIALECT
from isthmus.wire.body import Body


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
    for count in range(len(blocks)):
        with pytest.raises(Interrupted):
            read([b"\n\n".join(blocks[:count]) + b"\n\n"])


def test_the_end_of_a_relayed_stream_is_its_last_event(case):
    stream = (case / "stream.sse").read_bytes()
    events = [event + b"\n\n" for event in stream.split(b"\n\n")[:-1]]
    ends = b"event: message_stop" in stream
    seen = [DIALECT.stream_ended(event) for event in events]
    assert seen == [False] * (len(events) - 1) + [ends]
    assert DIALECT.stream_ended(stream) is ends


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
    validate("CreateMessageParams", asked)
    chat = DIALECT.read_request(Body(msgspec.json.encode(asked)))
    assert chat.unplaced == ()
    adaptive = asked.get("thinking", {}).get("type") == "adaptive"
    written = DIALECT.write_request(chat, Model(name=chat.model, thinking="adaptive" if adaptive else None))
    assert written.notes == ()
    validate("CreateMessageParams", json.loads(written.body))
    assert DIALECT.read_request(Body(written.body)) == joined_instructions(chat)


def joined_instructions(chat: Chat) -> Chat:
    """As the round trip has them: several texts become one."""
    first = chat.messages[0]
    if first.role != "system" or len(first.parts) < 2:
        return chat
    text = Text(text="\n\n".join(part.text for part in first.parts))
    merged = msgspec.structs.replace(first, parts=(text,))
    return msgspec.structs.replace(chat, messages=(merged, *chat.messages[1:]))
