"""A whole answer: kept chunk by chunk until it ends, then decoded at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from isthmus.errors import Interrupted, Malformed

ANSWER_MAX_BYTES = 64 * 1024 * 1024

T = TypeVar("T")


class WholeBody:
    """Raises `Malformed` beyond ANSWER_MAX_BYTES."""

    __slots__ = ("_chunks", "_size")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > ANSWER_MAX_BYTES:
            raise Malformed(f"The provider sent an answer of more than {ANSWER_MAX_BYTES} bytes.")
        self._chunks.append(data)

    def decoded(self, decode: Callable[[bytes], T], noun: str) -> T:
        """Raises `Interrupted` for an object that was cut short, `Malformed` for what is no `noun`."""
        data = b"".join(self._chunks)
        try:
            return decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if not isinstance(error, msgspec.ValidationError) and data.lstrip().startswith(b"{"):
                raise Interrupted("The provider stopped in the middle of its answer.") from None
            raise Malformed(f"The provider's answer is not a {noun}: {error}.") from None
