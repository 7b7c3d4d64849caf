"""AWS's event stream: the same messages however the bytes are cut, and what botocore makes of them."""

from __future__ import annotations

import itertools
import struct
import zlib
from uuid import UUID

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Interrupted, Malformed
from isthmus.wire.framing.eventstream import (
    HEADERS_MAX_BYTES,
    PAYLOAD_MAX_BYTES,
    EventStream,
    Message,
    encode,
)

few = settings(max_examples=60, deadline=None, database=None)

EVENT = {":event-type": "messageStart", ":content-type": "application/json", ":message-type": "event"}
ONE = encode(EVENT, b'{"role":"assistant"}')


def fed(pieces: list[bytes]) -> list[Message]:
    stream = EventStream()
    messages = [message for piece in pieces for message in stream.feed(piece)]
    stream.close()
    return messages


def framed(headers: bytes, payload: bytes = b"") -> bytes:
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def botocores(data: bytes) -> list[tuple[dict[str, object], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(message.headers, message.payload) for message in buffer]


@pytest.mark.parametrize(
    "stream", [b"", ONE, ONE + encode({}, b""), encode({":event-type": "é" * 200}, b"\x00" * 5000)]
)
def test_fed_whole_byte_by_byte_and_cut_anywhere(stream: bytes) -> None:
    expected = fed([stream])
    assert [(message.headers, message.payload) for message in expected] == botocores(stream)
    assert fed([stream[at : at + 1] for at in range(len(stream))]) == expected
    for cut in range(0, len(stream) + 1, 7):
        assert fed([stream[:cut], stream[cut:]]) == expected, cut


names = st.text(min_size=1, max_size=8).filter(lambda name: len(name.encode()) < 256)


@few
@given(
    st.lists(st.tuples(st.dictionaries(names, st.text(max_size=20), max_size=4), st.binary(max_size=60)), max_size=4),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_any_messages_survive_any_cut(sent: list[tuple[dict[str, str], bytes]], cuts: list[int]) -> None:
    stream = b"".join(encode(headers, payload) for headers, payload in sent)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert [(message.headers, message.payload) for message in fed(pieces)] == sent
    assert botocores(stream) == sent


def test_headers_of_every_type() -> None:
    uuid = UUID("12345678-1234-5678-1234-567812345678")
    headers = (
        b"\x01a\x00\x01b\x01\x01c\x02\xff\x01d\x03\x01\x00\x01e\x04\xff\xff\xff\xfe"
        b"\x01f\x05\x00\x00\x00\x00\x00\x00\x00\x07\x01g\x06\x00\x02\x00\xff\x01h\x07\x00\x02\xc3\xa9"
        b"\x01i\x08\x00\x00\x01\x00\x00\x00\x00\x00\x01j\x09" + uuid.bytes
    )
    (message,) = fed([framed(headers)])
    assert message.headers == {
        "a": True,
        "b": False,
        "c": -1,
        "d": 256,
        "e": -2,
        "f": 7,
        "g": b"\x00\xff",
        "h": "é",
        "i": 1 << 40,
        "j": uuid,
    }
    assert message.header("h") == "é"
    assert message.header("c") == message.header("nothing") == ""
    ((botos, _),) = botocores(framed(headers))
    assert botos == {**message.headers, "j": uuid.bytes}  # botocore leaves these as bytes


@pytest.mark.parametrize(
    "headers",
    [
        b"\x01a\x07\x00\x09short",
        b"\x01a\x0a",
        b"\x09a",
        b"\x01a",
        b"\x01a\x04\x00",
        b"\x01a\x07\x00\x01\xff",
        b"\x01\xff\x00",
        b"\x01a\x00\x01a\x01",
    ],
)
def test_headers_that_are_none(headers: bytes) -> None:
    with pytest.raises(Malformed):
        fed([framed(headers)])


@given(st.integers(0, len(ONE) - 1), st.integers(1, 255))
def test_no_byte_can_change_unnoticed(at: int, by: int) -> None:
    with pytest.raises((Malformed, Interrupted)):
        fed([ONE[:at] + bytes([ONE[at] ^ by]) + ONE[at + 1 :]])


@pytest.mark.parametrize("cut", [1, 8, 12, len(ONE) - 1])
def test_a_message_cut_short(cut: int) -> None:
    with pytest.raises(Interrupted):
        fed([ONE + ONE[:cut]])


@pytest.mark.parametrize(
    ("total", "headers"),
    [(PAYLOAD_MAX_BYTES + 17, 0), (HEADERS_MAX_BYTES + 17, HEADERS_MAX_BYTES + 1), (15, 0), (20, 5), (2**32 - 1, 0)],
)
def test_lengths_are_bounded_before_the_bytes_come(total: int, headers: int) -> None:
    lengths = struct.pack(">II", total, headers)
    with pytest.raises(Malformed):
        EventStream().feed(lengths + struct.pack(">I", zlib.crc32(lengths)))


def test_the_largest_payload() -> None:
    payload = bytes(PAYLOAD_MAX_BYTES)
    data = encode(EVENT, payload)
    pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    (message,) = fed(pieces)
    assert message.payload == payload
