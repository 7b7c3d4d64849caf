"""One request as the simulator got it, and what became of its answer. Tests read these."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]


class RecordedRequest:
    """`headers` and `body` are as they came, the body without its chunking. Times are of `time.monotonic`.

    `answered` is set when the whole answer, or as much of it as a fault lets through, has been handed to the kernel;
    `closed_early` when the caller left before that, at `left_at`.
    """

    __slots__ = (
        "answered",
        "body",
        "closed_early",
        "events_sent",
        "headers",
        "left_at",
        "method",
        "path",
        "query",
        "received_at",
        "status",
    )

    def __init__(self, method: str, target: str, headers: Headers, body: bytes) -> None:
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body
        self.received_at = time.monotonic()
        self.answered = asyncio.Event()
        self.closed_early = asyncio.Event()
        self.left_at: float | None = None
        self.status: int | None = None
        self.events_sent = 0

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def leave(self) -> None:
        """The caller has gone; of interest only while it is owed something."""
        if not self.answered.is_set() and self.left_at is None:
            self.left_at = time.monotonic()
            self.closed_early.set()

    def __repr__(self) -> str:
        return f"<{self.method} {self.path} {self.status} {len(self.body)} bytes>"
