"""Writes a large body slice by slice, and saves the answer of a server that did not want to read all of it. For a body
that is not there yet see stream.py."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import ClassVar

SMALL_BYTES = 64 * 1024  # up to here the socket takes a body at once, and none of this is needed
SLICE_BYTES = 256 * 1024
_MAX_SAVED_BYTES = 256 * 1024


class Upload:
    """One body on its way. `done` once the transport has all of it. `repeatable`: it could be sent once more."""

    __slots__ = ("_spare", "_transport", "_unsent")

    repeatable: ClassVar[bool] = True

    def __init__(self, transport: asyncio.Transport, body: bytes) -> None:
        self._transport = transport
        self._unsent = memoryview(body)
        self._spare = -1
        if transport.get_extra_info("ssl_object") is None:
            # A server may refuse a body with an answer and a reset. Where the reset meets one of our writes before
            # we have read, the transport closes the socket, the answer still in it: this keeps the socket open.
            # Where descriptors have run out, we do without.
            with suppress(OSError):
                self._spare = os.dup(transport.get_extra_info("socket").fileno())

    @property
    def done(self) -> bool:
        return not self._unsent

    @property
    def waits_for_caller(self) -> bool:
        """The silence is the caller's: there is nothing to send until the next piece is there."""
        return False

    def next_slice(self) -> memoryview | bytes:
        piece = self._unsent[:SLICE_BYTES]
        self._unsent = self._unsent[SLICE_BYTES:]
        return piece

    def write_slice(self) -> bool:
        """False where nothing is left, or nobody left to write to."""
        if not self._unsent or self._transport.is_closing():
            return False
        self._transport.write(self.next_slice())
        return True

    def saved(self) -> bytes | None:
        """After the connection was lost: the next bytes the socket still holds; empty at the server's FIN."""
        if self._spare < 0:
            return None
        try:
            return os.read(self._spare, _MAX_SAVED_BYTES)
        except OSError:
            return None

    def close(self) -> None:
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
