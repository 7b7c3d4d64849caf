"""How a run ends that did not end by itself: in-band, in its caller's dialect."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from isthmus.core.chat.event import Failed
from isthmus.core.chat.request import Chat
from isthmus.data_plane.runs.file import RunFile, RunHead
from isthmus.errors import GatewayError, InternalError
from isthmus.wire.framing.sse import event_ends
from isthmus.wire.protocol import Dialect

WINDOW_BYTES = 64 * 1024


def last_words(dialects: Mapping[str, Dialect], head: RunHead, error: GatewayError) -> bytes:
    """Raises `KeyError` for a dialect that there is no more."""
    writer = dialects[head.dialect].writer(False, Chat(model=head.model, messages=()))
    return writer.write(Failed(error=error))


def mend(path: Path, dialects: Mapping[str, Dialect], now: float) -> float | None:
    """When this run ended. One that its process could not end is ended now: its last half event goes, and the error
    comes. None: nothing of it is worth keeping. Raises `OSError`, `ValueError`."""
    with closing(RunFile.open(path)) as file:
        if file.ended_at is not None:
            return file.ended_at
        if file.head.dialect not in dialects:
            return None
        last = _cut_to_events(file)
        if not last:
            return None
        file.append(b"" if _is_whole(dialects[file.head.dialect], last) else _stopped(dialects, file.head), now)
        return now


def _stopped(dialects: Mapping[str, Dialect], head: RunHead) -> bytes:
    return last_words(
        dialects, head, InternalError("The gateway was stopped before the end of the answer.", status=503)
    )


def _cut_to_events(file: RunFile) -> bytes:
    """Takes away what stands behind the last whole event; the events before it, within some window."""
    window = WINDOW_BYTES
    while True:
        start = max(0, file.size - window)
        data = file.read(start, window)
        ends = deque(event_ends(data), maxlen=1)
        if ends:
            file.cut_to(start + ends[0])
            return data[: ends[0]]
        if start == 0:
            return b""
        window *= 2


def _is_whole(dialect: Dialect, events: bytes) -> bool:
    """Whether only the seal was missing: the last event that a caller waits for is here."""
    return dialect.stream_ended(events) or dialect.summarize(events, False).failed
