"""The body of a native request: here whole where somebody has to read it, else passed on as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from isthmus.core.call import Call, Incoming

HELD_MAX_BYTES = 256 * 1024
"""A body up to here is waited for: it can go by a kept connection, and once more where that was stale."""

_JSON = (b"application/json", b"text/json")


class Upload(msgspec.Struct, frozen=True):
    """`length` of a streamed body; None: not known."""

    body: bytes | AsyncIterator[bytes]
    length: int | None = None


class Uploads:
    def __init__(self, body_max_bytes: int, log_body_bytes: int) -> None:
        self._body_max_bytes = body_max_bytes
        self._log_body_bytes = log_body_bytes

    async def __call__(self, call: Call, body: bytes | Incoming, *, whole: bool, read: bool) -> Upload:
        """`whole`: it has to be here, and must not be over `body_max_bytes`; `read`: it had better be, if it is no
        longer. What the row keeps of it is set, with a streamed one as it goes. Raises `GatewayError`."""
        call.sent, call.request_size = b"", 0
        if isinstance(body, bytes):
            return self._held(call, body)
        length = body.length
        if length is not None:
            most = self._body_max_bytes if whole or read else HELD_MAX_BYTES
            if whole or length <= most:
                return self._held(call, await body.whole())
        elif whole:
            return self._held(call, await body.whole())
        pieces = self._kept(call, body.pieces())
        if length is None and read:
            return await self._up_to_bound(pieces)
        return Upload(pieces, length)

    async def _up_to_bound(self, pieces: AsyncIterator[bytes]) -> Upload:
        parts: list[bytes] = []
        size = 0
        async for piece in pieces:
            parts.append(piece)
            size += len(piece)
            if size > self._body_max_bytes:
                return Upload(_joined(b"".join(parts), pieces))
        return Upload(b"".join(parts))

    def _held(self, call: Call, body: bytes) -> Upload:
        call.request_size = len(body)
        call.sent = body[: self._log_body_bytes]
        return Upload(body)

    async def _kept(self, call: Call, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        most, head = self._log_body_bytes, bytearray()
        async for piece in pieces:
            call.request_size += len(piece)
            if len(head) < most:
                head += piece[: most - len(head)]
                call.sent = bytes(head)
            yield piece


def is_json(call_lines: list[tuple[bytes, bytes]]) -> bool:
    """Whether a body can be read: JSON, and not compressed."""
    head = dict(call_lines)
    encoding = head.get(b"content-encoding", b"identity").strip().lower()
    return head.get(b"content-type", b"").partition(b";")[0].strip().lower() in _JSON and encoding == b"identity"


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
