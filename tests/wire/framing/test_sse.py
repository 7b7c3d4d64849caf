"""Server-sent events: the same events however the bytes are cut, and whatever the line ends."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Malformed
from isthmus.wire.framing import sse
from isthmus.wire.framing.sse import EventCut, ServerSentEvents

few = settings(max_examples=60, deadline=None, database=None)

STREAMS = {
    b'data: {"a":1}\n\ndata: [DONE]\n\n': [(b"", b'{"a":1}'), (b"", b"[DONE]")],
    b"event: x\ndata: 1\n\nevent:y\ndata:2\n\n": [(b"x", b"1"), (b"y", b"2")],
    b"data: 1\r\n\r\nevent: z\r\ndata: 2\r\n\r\n": [(b"", b"1"), (b"z", b"2")],
    b"data: 1\r\rdata: 2\r\r": [(b"", b"1"), (b"", b"2")],
    b"data: one\ndata: two\ndata\n\n": [(b"", b"one\ntwo\n")],
    b": keep-alive\n\ndata: 1\nid: 7\nretry: 3\n\n": [(b"", b"1")],
    b"\xef\xbb\xbfdata: 1\n\n": [(b"", b"1")],
    b"data:  two spaces\n\n": [(b"", b" two spaces")],
    "data: line\u2028separator\u0085\n\n".encode(): [(b"", "line\u2028separator\u0085".encode())],
    b"data: without a blank line": [(b"", b"without a blank line")],
    b"data: 1\n\n\n\ndata: 2\n\n": [(b"", b"1"), (b"", b"2")],
    b"data: 1\r\n\r\n\r\ndata: 2\r\n\n": [(b"", b"1"), (b"", b"2")],
    b"event: only a name\n\ndata: 1\n\n": [(b"", b"1")],
    b"data\n\n": [(b"", b"")],
    b"datum: 1\n\ndata: x\n\n": [(b"", b"x")],
    b"": [],
}


def fed(pieces: list[bytes]) -> list[tuple[bytes, bytes]]:
    frames = ServerSentEvents()
    return [pair for piece in pieces for pair in frames.feed(piece)] + frames.close()


@pytest.mark.parametrize("stream", STREAMS)
def test_fed_whole_byte_by_byte_and_cut_anywhere(stream: bytes) -> None:
    expected = STREAMS[stream]
    assert fed([stream]) == expected
    assert fed([stream[i : i + 1] for i in range(len(stream))]) == expected
    for cut in range(len(stream) + 1):
        assert fed([stream[:cut], stream[cut:]]) == expected, cut


line_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
payloads = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8).map(str.encode)


@few
@given(st.lists(st.tuples(payloads, line_ends), max_size=4), st.lists(st.integers(0, 200), max_size=6))
def test_any_text_survives_any_cut(sent: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    # A CR that is followed by an LF is one line end: events that end in CR come last here.
    sent = sorted(sent, key=lambda pair: pair[1] == b"\r")
    stream = b"".join(b"data: " + data + end + end for data, end in sent)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    assert fed([stream[a:b] for a, b in itertools.pairwise(edges)]) == [(b"", data) for data, _ in sent]


def test_an_event_goes_out_with_its_last_byte() -> None:
    frames = ServerSentEvents()
    assert frames.feed(b"data: 1\n") == []
    assert frames.feed(b"\n") == [(b"", b"1")]
    assert frames.feed(b"data: 2\n\nda") == [(b"", b"2")]


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_MAX_BYTES", 100)
    frames = ServerSentEvents()
    frames.feed(b"data: ")
    with pytest.raises(Malformed, match="more than 100 bytes"):
        for _ in range(20):
            frames.feed(b"0123456789")


def test_an_event_is_written_as_it_is_read() -> None:
    assert fed([sse.event(b"{}", b"ping"), sse.event(b"1")]) == [(b"ping", b"{}"), (b"", b"1")]


# --- cutting at the end of events -----------------------------------------------------------------------------------


def cut_into(pieces: list[bytes]) -> list[bytes]:
    cut = EventCut()
    return [*[cut.feed(piece) for piece in pieces], cut.close()]


@pytest.mark.parametrize("stream", STREAMS)
def test_a_cut_stream_is_the_same_stream(stream: bytes) -> None:
    for pieces in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        assert b"".join(cut_into(pieces)) == stream
    for where in range(len(stream) + 1):
        given_out = cut_into([stream[:where], stream[where:]])
        assert b"".join(given_out) == stream
        # What has gone out so far is whole events: read alone it loses nothing and invents nothing.
        first = fed([given_out[0]])
        assert first == STREAMS[stream][: len(first)], where


def test_whole_events_go_out_at_once_and_half_ones_wait() -> None:
    cut = EventCut()
    assert cut.feed(b"data: 1\n\n") == b"data: 1\n\n"
    assert cut.feed(b"data: 2\n\ndata:") == b"data: 2\n\n"
    assert cut.feed(b" 3\n") == b""
    assert cut.feed(b"\nda") == b"data: 3\n\n"
    assert cut.close() == b"da"


def test_an_event_over_the_limit_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_MAX_BYTES", 100)
    cut = EventCut()
    given_out = [cut.feed(b"data: " + b"x" * 60), cut.feed(b"y" * 60), cut.feed(b"\n\n")]
    assert [bool(part) for part in given_out] == [False, True, True]
