"""Vectors as base64 of little-endian float32, which OpenAI's SDKs ask for unless they are told otherwise."""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from collections.abc import Sequence

from isthmus.errors import Malformed

FLOAT_BYTES = 4


def to_base64(vector: Sequence[float]) -> str:
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


def from_base64(text: str) -> list[float]:
    """Raises `Malformed`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("The provider's answer holds a vector that is not base64.") from None
    if len(data) % FLOAT_BYTES:
        raise Malformed("The provider's answer holds a vector that is cut off.")
    numbers: array[float] = array("f")
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
