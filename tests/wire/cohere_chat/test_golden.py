"""Answers in Cohere's form, cut in every way that a network may cut them, and the requests that they answer."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import Failed, Finished, UsageReported
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat
from isthmus.errors import Interrupted, Malformed
from isthmus.wire.body import Body
from isthmus.wire.cohere_chat import DIALECT

EVENTS = {
    "message-start": "ChatMessageStartEvent",
    "content-start": "ChatContentStartEvent",
    "content-delta": "ChatContentDeltaEvent",
    "content-end": "ChatContentEndEvent",
    "tool-call-start": "ChatToolCallStartEvent",
    "tool-call-delta": "ChatToolCallDeltaEvent",
    "tool-call-end": "ChatToolCallEndEvent",
    "citation-start": "CitationStartEvent",
    "citation-end": "CitationEndEvent",
    "message-end": "ChatMessageEndEvent",
}


def read(chunks, whole=False):
    reader = DIALECT.reader(whole)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.close()


def expected(case):
    return json.loads((case / "events.json").read_text())


def stream_of(case):
    return (case / "stream.sse").read_bytes()


def chat_of(case):
    return DIALECT.read_request(Body((case / "request.json").read_bytes()))


def test_read_in_one_piece(case, plain):
    assert plain(read([stream_of(case)])) == expected(case)


def test_read_byte_by_byte(case, plain):
    stream = stream_of(case)
    assert plain(read(stream[at : at + 1] for at in range(len(stream)))) == expected(case)


def test_read_cut_at_each_boundary(case, plain):
    stream = stream_of(case)
    assert plain(read(line + b"\n" for line in stream.split(b"\n"))) == expected(case)
    for at in range(1, len(stream), 5):
        assert plain(read([stream[:at], stream[at:]])) == expected(case)


def test_read_with_other_line_ends(case, plain):
    assert plain(read([stream_of(case).replace(b"\n", b"\r\n")])) == expected(case)


def test_every_stream_cut_short_is_interrupted(case):
    stream = stream_of(case)
    cut = stream.index(b'"message-end"')
    for end in range(0, cut, 11):
        with pytest.raises(Interrupted if end > 60 else (Interrupted, Malformed)):
            read([stream[:end]])


def test_the_last_event_ends_a_relayed_stream(case):
    stream = stream_of(case)
    pieces = [piece + b"\n\n" for piece in stream.split(b"\n\n") if piece]
    assert [DIALECT.stream_ended(piece) for piece in pieces].count(True) == 1
    assert DIALECT.stream_ended(stream)
    reader = DIALECT.reader(False)
    for piece in pieces:
        reader.feed(piece)
        assert reader.ended or not DIALECT.stream_ended(piece)


def test_words_of_the_answer_end_no_relayed_stream():
    said = {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "message-end"}}}}
    assert not DIALECT.stream_ended(b"event: content-delta\ndata: " + json.dumps(said).encode() + b"\n\n")


def test_summary_of_a_relayed_stream(case):
    stream = stream_of(case)
    events = read([stream])
    summary = DIALECT.summarize(stream, whole=False)
    usage = next((event.usage for event in events if isinstance(event, UsageReported)), None)
    reason = next((event.reason for event in events if isinstance(event, Finished)), None)
    assert (summary.model, summary.usage, summary.finish_reason) == (None, usage, reason)
    assert summary.failed == isinstance(events[-1], Failed)
    end = stream.split(b"\n\n")
    assert DIALECT.summarize(end[0] + b"\n\n" + b"\n\n".join(end[-3:]), whole=False) == summary


@pytest.mark.parametrize("whole", (True, False))
def test_what_is_written_for_callers_is_coheres(case, plain, validate, data_of, whole):
    events = read([stream_of(case)])
    if isinstance(events[-1], Failed):
        return
    writer = DIALECT.writer(whole, chat_of(case))
    written = b"".join([*(writer.write(event) for event in events), writer.close()])
    if whole:
        validate("ChatResponseV2", json.loads(written))
    else:
        for data in data_of(written):
            validate(EVENTS[data["type"]], data)
    again = plain(read([written], whole))
    kinds = ("Started", "Cited", "ToolCallStarted", "UsageReported", "Finished")

    def told(events):
        return sorted(str({**event, "detail": None}) for event in events if event["type"] in kinds)

    assert told(again) == told(expected(case))
    assert DIALECT.summarize(written, whole) == DIALECT.summarize(stream_of(case), whole=False)


def test_a_failure_in_a_stream_for_callers(case, validate, data_of):
    events = read([stream_of(case)])
    if isinstance(events[-1], Failed):
        writer = DIALECT.writer(False, Chat(model="m", messages=()))
        written = [writer.write(event) for event in events]
        (last,) = data_of(written[-1])
        assert last["delta"] == {"finish_reason": "ERROR", "error": events[-1].error.message}
        validate("ChatMessageEndEvent", last)
        assert writer.close() == b""


def test_requests_survive_a_round_trip(case, validate):
    asked = json.loads((case / "request.json").read_text())
    validate("ChatRequest", asked)
    chat = chat_of(case)
    assert chat.unplaced == ()
    written = DIALECT.write_request(chat, Model(name=asked["model"]))
    assert written.notes == () and written.fetch == ()
    assert json.loads(written.body) == asked


def test_the_simulator_takes_them(case, ask):
    asked = (case / "request.json").read_bytes()
    if b"image_url" not in asked:
        answer = ask(asked)
        assert answer.status == 200, answer.body


def test_requests_are_relayed_byte_for_byte(case):
    data = (case / "request.json").read_bytes()
    model = json.loads(data)["model"]
    assert DIALECT.relay_request(Body(data), model).body == data
    assert json.loads(DIALECT.relay_request(Body(data), "other").body) == json.loads(data) | {"model": "other"}
