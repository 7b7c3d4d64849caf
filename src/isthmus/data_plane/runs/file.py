"""A run's file: a line that says whose answer it is, the answer's bytes as they were given, and a seal at its end.

What was appended outlives the death of the process, not the loss of power. Without its seal an answer was cut short.
"""

from __future__ import annotations

import os
import secrets
from errno import ENOSPC
from pathlib import Path
from struct import Struct

import msgspec

HEAD_MAX_BYTES = 16 * 1024
FILE_MODE = 0o600

_SEAL_BYTES = 16
_END = Struct(f">{_SEAL_BYTES}sdQ")
"""The file's own seal, when the answer ended, and how long it is."""


class RunHead(msgspec.Struct, frozen=True, kw_only=True):
    """Whose answer a run is, and what it is written in. `id`: a UUIDv7 of ours, the file's name. `created_at` in epoch
    seconds."""

    id: str
    account_id: str
    gateway_id: str
    dialect: str
    model: str
    content_type: str
    created_at: float


class _Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `seal` is random: nothing in an answer can look like the end of its file."""

    seal: str
    head: RunHead


class RunFile:
    """Raises `OSError` where the disk does, `ValueError` for a file that is none of ours. `size`: of the answer, in
    bytes. `ended_at` None: it has no seal yet."""

    __slots__ = ("_at", "_file", "_seal", "ended_at", "head", "path", "size")

    def __init__(self, path: Path, opening: _Opening, at: int, file: int) -> None:
        self.path = path
        self.head = opening.head
        self.size = 0
        self.ended_at: float | None = None
        self._seal = bytes.fromhex(opening.seal)
        self._at = at  # where the answer begins
        self._file = file

    @classmethod
    def create(cls, path: Path, head: RunHead) -> RunFile:
        opening = _Opening(seal=secrets.token_hex(_SEAL_BYTES), head=head)
        line = msgspec.json.encode(opening) + b"\n"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, FILE_MODE)
        created = cls(path, opening, len(line), file)
        try:
            if len(line) > HEAD_MAX_BYTES:
                raise ValueError(f"The head of a run is over {HEAD_MAX_BYTES} bytes.")
            created._write(line)
        except BaseException:
            created.remove()
            raise
        return created

    @classmethod
    def open(cls, path: Path) -> RunFile:
        file = os.open(path, os.O_RDWR | os.O_APPEND)
        try:
            line, newline, _ = os.pread(file, HEAD_MAX_BYTES, 0).partition(b"\n")
            if not newline:
                raise ValueError("The head of this run is not whole.")
            opened = cls(path, msgspec.json.decode(line, type=_Opening), len(line) + 1, file)
            opened._measure()
        except BaseException:
            os.close(file)
            raise
        return opened

    def append(self, data: bytes, ended_at: float | None = None) -> None:
        """One write. `ended_at`: this is the answer's end, and the seal goes along."""
        if ended_at is None:
            if data:
                self._write(data)
        else:
            self._write(data + _END.pack(self._seal, ended_at, self.size + len(data)))
            self.ended_at = ended_at
        self.size += len(data)

    def read(self, offset: int, most: int) -> bytes:
        """Of the answer, from `offset` on, `most` bytes or what there is."""
        return os.pread(self._file, min(most, self.size - offset), self._at + offset)

    def cut_to(self, size: int) -> None:
        """Takes away what stands behind: half an event."""
        os.ftruncate(self._file, self._at + size)
        self.size = size

    def reopen(self) -> None:
        """Does nothing while it is open."""
        if self._file < 0:
            self._file = os.open(self.path, os.O_RDONLY)

    def close(self) -> None:
        """Again does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Whoever reads it can go on until `close`."""
        self.path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        written = os.write(self._file, data)
        if written != len(data):
            raise OSError(ENOSPC, os.strerror(ENOSPC))

    def _measure(self) -> None:
        size = os.fstat(self._file).st_size - self._at
        if size < 0:
            raise ValueError("The file of this run is not whole.")
        self.size = size
        if size < _END.size:
            return
        seal, ended_at, length = _END.unpack(os.pread(self._file, _END.size, self._at + size - _END.size))
        if seal == self._seal and length == size - _END.size:
            self.size, self.ended_at = length, ended_at
