"""AWS's binary event stream, `application/vnd.amazon.eventstream`: each message has two lengths and their checksum,
headers, a payload, and the checksum of all of it. https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from uuid import UUID

import msgspec

from isthmus.errors import Interrupted, Malformed

HEADERS_MAX_BYTES = 128 * 1024
PAYLOAD_MAX_BYTES = 16 * 1024 * 1024

_PRELUDE_BYTES = 12
_CHECKSUM_BYTES = 4
_AROUND_BYTES = _PRELUDE_BYTES + _CHECKSUM_BYTES
_PRELUDE = struct.Struct(">III")
_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9
# Bytes of a value, by its type: byte, short, integer, long, and a timestamp in milliseconds.
_INTEGERS = {2: 1, 3: 2, 4: 4, 5: 8, 8: 8}

HeaderValue = bool | int | bytes | str | UUID


class Message(msgspec.Struct, frozen=True, kw_only=True):
    headers: dict[str, HeaderValue]
    payload: bytes

    def header(self, name: str) -> str:
        """The text of a header, empty where it is absent or no text."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class EventStream:
    """Feed chunks, get messages. Raises `Malformed` for a wrong checksum or length, and for headers that are none."""

    __slots__ = ("_buffer", "_wanted")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = _PRELUDE_BYTES  # so many bytes have to be there before there is something to look at

    def feed(self, chunk: bytes) -> list[Message]:
        buffer = self._buffer
        buffer += chunk
        messages: list[Message] = []
        start = 0
        while len(buffer) - start >= self._wanted:
            if self._wanted == _PRELUDE_BYTES:
                self._wanted = _length(buffer, start)
                continue
            end = start + self._wanted
            messages.append(_message(bytes(buffer[start:end])))
            start = end
            self._wanted = _PRELUDE_BYTES
        if start:
            del buffer[:start]
        return messages

    def close(self) -> None:
        """Raises `Interrupted` where a message was cut short."""
        if self._buffer:
            raise Interrupted("The provider stopped in the middle of its answer.")


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message. What is sent has text in its headers alone."""
    named = b"".join(_named(name, value) for name, value in headers.items())
    lengths = struct.pack(">II", _AROUND_BYTES + len(named) + len(payload), len(named))
    message = lengths + _checksum(lengths) + named + payload
    return message + _checksum(message)


def _named(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return b"%c%b%c%b%b" % (len(key), key, _STRING, len(text).to_bytes(2, "big"), text)


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CHECKSUM_BYTES, "big")


def _length(buffer: bytearray, start: int) -> int:
    """Of the whole message that begins at `start`: its prelude is there."""
    prelude = bytes(buffer[start : start + _PRELUDE_BYTES])
    total, headers, checksum = _PRELUDE.unpack(prelude)
    if zlib.crc32(prelude[:8]) != checksum:
        raise Malformed("The provider sent an event with a wrong checksum of its lengths.")
    payload = total - headers - _AROUND_BYTES
    if payload < 0 or headers > HEADERS_MAX_BYTES:
        raise Malformed("The provider sent an event whose lengths cannot be.")
    if payload > PAYLOAD_MAX_BYTES:
        raise Malformed(f"The provider sent a stream event of more than {PAYLOAD_MAX_BYTES} bytes.")
    return int(total)


def _message(data: bytes) -> Message:
    if zlib.crc32(data[:-_CHECKSUM_BYTES]) != int.from_bytes(data[-_CHECKSUM_BYTES:], "big"):
        raise Malformed("The provider sent an event with a wrong checksum.")
    end = _PRELUDE_BYTES + int.from_bytes(data[4:8], "big")
    try:
        headers = _headers(data[_PRELUDE_BYTES:end])
    except (ValueError, IndexError) as error:  # UnicodeDecodeError is a ValueError
        raise Malformed(f"The provider sent an event whose headers cannot be read: {error}.") from None
    return Message(headers=headers, payload=data[end:-_CHECKSUM_BYTES])


def _headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(data):
        name, at = _taken(data, at + 1, data[at])
        kind = data[at]
        value, at = _value(data, at + 1, kind)
        if name.decode() in headers:
            raise ValueError("one stands there twice")
        headers[name.decode()] = value
    return headers


def _value(data: bytes, at: int, kind: int) -> tuple[HeaderValue, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind in _INTEGERS:
        number, at = _taken(data, at, _INTEGERS[kind])
        return int.from_bytes(number, "big", signed=True), at
    if kind in (_BYTES, _STRING):
        size, at = _taken(data, at, 2)
        value, at = _taken(data, at, int.from_bytes(size, "big"))
        return (value if kind == _BYTES else value.decode()), at
    if kind == _UUID:
        value, at = _taken(data, at, 16)
        return UUID(bytes=value), at
    raise ValueError(f"there is no type {kind}")


def _taken(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise ValueError("one is cut short")
    return data[at:end], end
