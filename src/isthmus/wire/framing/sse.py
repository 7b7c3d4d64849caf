"""Server-sent events, on bytes. Lines break at CR, LF and CRLF only (WHATWG HTML, 9.2.6); U+2028 is text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isthmus.errors import Malformed

DONE = b"[DONE]"
EVENT_MAX_BYTES = 16 * 1024 * 1024

# A blank line ends an event. LF LF is what everybody sends; the others are legal.
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\r\n\n|\n\r\n|\r\n\r(?!\n)|\n\r(?!\n)|\r\r\n")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_UTF8_MARK = b"\xef\xbb\xbf"


class ServerSentEvents:
    """Feed chunks, get `(event name, data)` pairs; comments, ids and retry lines are passed over.

    An event that ends at the very end of a chunk in CR is given out with the next chunk or at `close`, since an LF
    may follow. Raises `Malformed` for an event over EVENT_MAX_BYTES.
    """

    __slots__ = ("_buffer", "_started")

    def __init__(self) -> None:
        self._buffer = b""
        self._started = False

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        if self._started and not self._buffer and _is_one_line_of_data(chunk):
            return [(b"", chunk[6:-2])]
        buffer = self._buffer + chunk if self._buffer else chunk
        if not self._started:
            if len(buffer) < 3 and _UTF8_MARK.startswith(buffer):
                self._buffer = buffer
                return []
            self._started = True
            buffer = buffer.removeprefix(_UTF8_MARK)
        if b"\r" not in buffer:
            *blocks, self._buffer = buffer.split(b"\n\n")
        else:
            blocks = self._split_any(buffer)
        if len(self._buffer) > EVENT_MAX_BYTES:
            raise Malformed(f"The provider sent a stream event of more than {EVENT_MAX_BYTES} bytes.")
        return [pair for block in blocks if (pair := _parse(block)) is not None]

    def close(self) -> list[tuple[bytes, bytes]]:
        """What is left when the stream ends: an event without its blank line is taken, as providers send it."""
        pair = _parse(self._buffer)
        self._buffer = b""
        return [] if pair is None else [pair]

    def _split_any(self, buffer: bytes) -> list[bytes]:
        held = b""
        if buffer.endswith(b"\r"):
            buffer, held = buffer[:-1], b"\r"
        blocks = _EVENT_END.split(buffer)
        self._buffer = blocks.pop() + held
        return blocks


def _is_one_line_of_data(chunk: bytes) -> bool:
    """What a chunk of a stream mostly is: 0.4 µs where the general way takes 1.2."""
    end = len(chunk) - 2
    return chunk.find(b"\n") == end and chunk.endswith(b"\n\n") and 13 not in chunk and chunk.startswith(b"data: ")


def _parse(block: bytes) -> tuple[bytes, bytes] | None:
    # What nearly every event is: 0.3 µs where the walk below takes 1.2.
    if 10 not in block and 13 not in block and block.startswith(b"data: "):
        return b"", block[6:]
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n") if b"\r" not in block else _LINE_END.split(block):
        if line.startswith(b"data:"):
            data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            name = line[6:].strip()
        elif line == b"data":
            data.append(b"")
    if not data:
        return None
    return name, data[0] if len(data) == 1 else b"\n".join(data)


def event(data: bytes, name: bytes = b"") -> bytes:
    """One event; `data` must hold no line break (JSON never does)."""
    if name:
        return b"event: " + name + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"


def event_ends(data: bytes) -> Iterator[int]:
    """Where each whole event of `data` ends. A blank line ends one, whatever stands before it."""
    if b"\r" not in data:
        end = data.find(b"\n\n") + 2
        while end > 1:
            yield end
            end = data.find(b"\n\n", end) + 2
        return
    for match in _EVENT_END.finditer(data):
        if not _may_go_on(match, len(data)):
            yield match.end()


class EventCut:
    """Feed chunks, get them back cut where an event ends; a part of an event waits for the rest of it.

    An event of more than EVENT_MAX_BYTES is let go in parts rather than kept.
    """

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        if chunk.endswith(b"\n\n"):
            if not self._parts:
                return chunk
            return self._taken(chunk, len(chunk))
        end = _last_event_end(chunk, self._before())
        if end > 0 or self._size + len(chunk) > EVENT_MAX_BYTES:
            return self._taken(chunk, end if end > 0 else len(chunk))
        if chunk:
            self._parts.append(chunk)
            self._size += len(chunk)
        return b""

    def close(self) -> bytes:
        """The part of an event that was still waiting."""
        return self._taken(b"", 0)

    def _before(self) -> bytes:
        """The last three bytes that wait: so many of an event's end may have come already, each by itself."""
        before = self._parts[-1][-3:] if self._parts else b""
        return before if len(before) == 3 else b"".join(self._parts[-3:])[-3:]

    def _taken(self, chunk: bytes, end: int) -> bytes:
        whole = b"".join((*self._parts, chunk[:end]))
        rest = chunk[end:]
        self._parts = [rest] if rest else []
        self._size = len(rest)
        return whole


def _last_event_end(chunk: bytes, before: bytes) -> int:
    """Where in `chunk` its last event ends, 0 where none does. `before`: the last bytes that came before it."""
    if b"\r" not in chunk and b"\r" not in before:
        if before.endswith(b"\n") and chunk.startswith(b"\n") and b"\n\n" not in chunk:
            return 1
        return chunk.rfind(b"\n\n") + 2 if b"\n\n" in chunk else 0
    window = before + chunk
    end = 0
    for match in _EVENT_END.finditer(window):
        if not _may_go_on(match, len(window)):
            end = match.end()
    return max(0, end - len(before))


def _may_go_on(event_end: re.Match[bytes], size: int) -> bool:
    """After CRLF CR an LF will follow, which belongs to the same event."""
    return event_end.end() == size and event_end.group().endswith(b"\n\r")
