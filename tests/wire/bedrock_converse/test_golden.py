"""Hand-made answers after AWS's documents, cut in every way that a network may cut them."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import Failed
from isthmus.core.chat.model import Model
from isthmus.errors import Interrupted
from isthmus.wire.bedrock_converse import DIALECT
from isthmus.wire.body import Body

CLAUDE = Model(name="us.anthropic.claude-haiku-4-5-20251001-v1:0", max_output_tokens=64_000)


def read(chunks):
    reader = DIALECT.reader(whole=False)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.close()


def expected(case):
    return json.loads((case / "events.json").read_text())


@pytest.fixture
def stream(case, frames):
    return frames(json.loads((case / "stream.json").read_text()))


def test_read_in_one_piece(case, stream, plain):
    assert plain(read([b"".join(stream)])) == expected(case)


def test_read_byte_by_byte(case, stream, plain):
    data = b"".join(stream)
    assert plain(read(data[at : at + 1] for at in range(len(data)))) == expected(case)


def test_read_cut_at_each_event(case, stream, plain):
    assert plain(read(stream)) == expected(case)


def test_what_comes_after_the_end_is_not_read(case, stream, plain):
    assert plain(read([*stream, stream[0]])) == expected(case)


def test_every_stream_cut_short_is_interrupted(stream):
    for count in range(len(stream)):
        for rest in (b"", stream[count][:-1], stream[count][:5]):
            with pytest.raises(Interrupted):
                read([b"".join(stream[:count]) + rest])


def test_the_end_of_a_relayed_stream_is_its_last_event(stream):
    assert [DIALECT.stream_ended(event) for event in stream] == [False] * (len(stream) - 1) + [True]
    assert DIALECT.stream_ended(b"".join(stream))


def test_summary_of_a_relayed_stream(stream):
    events = read(stream)
    summary = DIALECT.summarize(b"".join(stream), whole=False)
    usages = [event.usage for event in events if getattr(event, "usage", None)]
    reasons = [event.reason for event in events if hasattr(event, "reason")]
    assert summary.usage == (usages[-1] if usages else None)
    assert summary.finish_reason == (reasons[0] if reasons else None)
    assert summary.failed == isinstance(events[-1], Failed)


def test_requests_survive_a_round_trip(case, validate):
    asked = json.loads((case / "request.json").read_text())
    validate("ConverseRequest", asked)
    chat = DIALECT.read_request(Body(json.dumps(asked).encode()))
    assert chat.unplaced == ()
    written = DIALECT.write_request(chat, CLAUDE)
    assert [note for note in written.notes if note.field != "user"] == []
    assert json.loads(written.body) == asked
