"""Recorded answers, cut in every way that a network may cut them, and the requests that they answer."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import Failed
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat
from isthmus.errors import Interrupted
from isthmus.wire.body import Body
from isthmus.wire.gemini import DIALECT


def read(chunks, whole=False):
    reader = DIALECT.reader(whole)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.close()


def expected(case):
    return json.loads((case / "events.json").read_text())


def frames(stream):
    return [json.loads(line[6:]) for line in stream.decode().replace("\r\n", "\n").split("\n") if line]


def model_of(case):
    return Model(name=frames((case / "stream.sse").read_bytes())[0]["modelVersion"])


def test_read_in_one_piece(case, plain):
    assert plain(read([(case / "stream.sse").read_bytes()])) == expected(case)


def test_read_byte_by_byte(case, plain):
    stream = (case / "stream.sse").read_bytes()
    assert plain(read(stream[at : at + 1] for at in range(len(stream)))) == expected(case)


def test_read_cut_at_each_boundary(case, plain):
    stream = (case / "stream.sse").read_bytes()
    assert plain(read(line + b"\n" for line in stream.split(b"\n"))) == expected(case)
    for at in range(1, len(stream), 7):
        assert plain(read([stream[:at], stream[at:]])) == expected(case)


def test_read_with_other_line_ends(case, plain):
    stream = (case / "stream.sse").read_bytes().replace(b"\r\n", b"\n")
    assert plain(read([stream])) == expected(case)


def test_read_as_the_list_that_it_is_without_sse(case, plain):
    body = json.dumps(frames((case / "stream.sse").read_bytes())).encode()
    assert plain(read([body], whole=True)) == expected(case)


def test_every_stream_cut_short_is_interrupted(case):
    chunks = frames((case / "stream.sse").read_bytes())
    for count in range(len(chunks)):
        with pytest.raises(Interrupted):
            read([b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks[:count]])


def test_no_event_ends_a_relayed_stream(case):
    assert not DIALECT.stream_ended((case / "stream.sse").read_bytes())


def test_summary_of_a_relayed_stream(case):
    stream = (case / "stream.sse").read_bytes()
    events = read([stream])
    summary = DIALECT.summarize(stream, whole=False)
    usages = [event.usage for event in events if hasattr(event, "usage")]
    reasons = [event.reason for event in events if hasattr(event, "reason")]
    assert summary.model == events[0].model
    assert summary.usage is not None and summary.usage.total_tokens == usages[-1].total_tokens
    assert summary.usage.cache_read_tokens == usages[-1].cache_read_tokens
    assert summary.usage.web_searches == usages[-1].web_searches
    assert summary.finish_reason == (reasons[0] if reasons else None)
    assert summary.failed == isinstance(events[-1], Failed)


def test_summary_of_a_stream_whose_middle_is_missing(case):
    stream = (case / "stream.sse").read_bytes()
    whole = DIALECT.summarize(stream, whole=False)
    end = stream.replace(b"\r\n", b"\n").split(b"\n\n")[-2] + b"\n\n"
    summary = DIALECT.summarize(b'data: {"candidates":[]}\n\n' + end, whole=False)
    assert (summary.model, summary.usage) == (whole.model, whole.usage) or whole.failed
    assert summary.failed == whole.failed


@pytest.mark.parametrize("whole", (True, False))
def test_what_is_written_for_callers_is_googles(case, plain, validate, whole):
    events = read([(case / "stream.sse").read_bytes()])
    if isinstance(events[-1], Failed):
        return
    writer = DIALECT.writer(whole, Chat(model="m", messages=(), summary="auto"))
    written = b"".join([*(writer.write(event) for event in events), writer.close()])
    for answer in [json.loads(written)] if whole else frames(written):
        validate("GenerateContentResponse", answer)
        assert answer["modelVersion"] and answer["responseId"] and answer["usageMetadata"]["totalTokenCount"]
        assert all(candidate["content"]["parts"] for candidate in answer["candidates"])
    again = read([written], whole)
    kinds = ("Finished", "Cited", "ToolCallStarted")
    told = [event for event in plain(again) if event["type"] in kinds]
    assert sorted(map(str, told)) == sorted(map(str, (one for one in plain(events) if one["type"] in kinds)))


def test_an_error_in_a_stream_begins_as_googles_sdks_expect(case):
    events = read([(case / "stream.sse").read_bytes()])
    if isinstance(events[-1], Failed):
        writer = DIALECT.writer(False, Chat(model="m", messages=()))
        written = [writer.write(event) for event in events]
        assert written[-1].startswith(b'data: {"error":{"code":503,') and written[-1].endswith(b"\n\n")
        assert writer.close() == b""


def test_requests_survive_a_round_trip(case, validate):
    asked = json.loads((case / "request.json").read_text())
    validate("GenerateContentRequest", asked)
    chat = DIALECT.read_request(Body(json.dumps(asked).encode()))
    assert chat.unplaced == ()
    written = DIALECT.write_request(chat, model_of(case))
    assert written.notes == () and written.fetch == ()
    validate("GenerateContentRequest", json.loads(written.body))
    assert DIALECT.read_request(Body(written.body)) == chat


def test_requests_are_relayed_byte_for_byte(case):
    data = (case / "request.json").read_bytes()
    assert DIALECT.relay_request(Body(data), "gemini-3-flash").body == data
