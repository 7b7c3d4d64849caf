"""Frames of `application/vnd.amazon.eventstream`: two lengths and their CRC, headers, a payload, the CRC of all of it
(https://smithy.io/2.0/aws/amazon-eventstream.html).
"""

from __future__ import annotations

import random
import zlib
from typing import Any

import msgspec

_STRING = 7  # the type of a header's value
_PRELUDE_BYTES = 12
_CRC_BYTES = 4
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def event(name: str, data: dict[str, Any], rng: random.Random) -> bytes:
    """Bedrock pads each event with a `p` of random length, which hides how long the text in it is."""
    padded = {**data, "p": _PADDING[: rng.randint(1, len(_PADDING))]}
    return _message({":event-type": name, ":message-type": "event"}, msgspec.json.encode(padded))


def exception(name: str, data: dict[str, Any]) -> bytes:
    return _message({":exception-type": name, ":message-type": "exception"}, msgspec.json.encode(data))


def cut_json(frame: bytes) -> bytes:
    """A sound frame in which the payload is no JSON: without its closing brace."""
    header_bytes = int.from_bytes(frame[4:8], "big")
    start = _PRELUDE_BYTES + header_bytes
    return _framed(frame[_PRELUDE_BYTES:start], frame[start : -_CRC_BYTES - 1])


def _message(names: dict[str, str], payload: bytes) -> bytes:
    kind = next(iter(names))
    named = {kind: names[kind], ":content-type": "application/json", ":message-type": names[":message-type"]}
    return _framed(b"".join(_header(name, value) for name, value in named.items()), payload)


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return bytes([len(name)]) + name.encode() + bytes([_STRING]) + len(text).to_bytes(2, "big") + text


def _framed(headers: bytes, payload: bytes) -> bytes:
    total = _PRELUDE_BYTES + len(headers) + len(payload) + _CRC_BYTES
    prelude = total.to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    message = prelude + _crc(prelude) + headers + payload
    return message + _crc(message)


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CRC_BYTES, "big")
