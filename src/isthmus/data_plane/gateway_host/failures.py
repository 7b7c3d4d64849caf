"""A provider's refusal as an error: another step may make up for it, else the caller is given it as it came."""

from __future__ import annotations

from collections.abc import AsyncIterator

from isthmus.core.call import Call, ErrorWriter
from isthmus.core.reply import Frame, Reply
from isthmus.data_plane.outbound.dispatch import raise_early_failure
from isthmus.data_plane.outbound.sender import ERROR_MAX_BYTES
from isthmus.errors import Native, UpstreamError
from isthmus.wire.registry import DIALECTS
from isthmus.wire.statuses import upstream_error

PASSED_THROUGH = "passed_through"
"""Stands for the dialect of an answer whose dialect is not known."""

# Said anew for the bytes that go out.
_FRAMING = frozenset((b"content-type", b"content-length", b"transfer-encoding"))


async def failure(call: Call, reply: Reply) -> UpstreamError:
    """Of an answer that is none (its status says so), which is closed. Its body is kept up to ERROR_MAX_BYTES."""
    try:
        body = await _body(reply)
    finally:
        await reply.aclose()
    error = call.error
    if not isinstance(error, UpstreamError):
        provider = "" if call.target is None else call.target.provider
        error = upstream_error(reply.status, f"The provider {provider} answered with status {reply.status}.")
    call.dialect = call.dialect or PASSED_THROUGH
    dropped = _FRAMING if error.retry_after is None else _FRAMING | {b"retry-after"}
    headers = tuple(pair for pair in reply.headers if pair[0] not in dropped)
    error.native = Native(reply.status, body, reply.content_type.decode("latin-1"), call.dialect, headers)
    return error


async def opened(call: Call, reply: Reply) -> None:
    """Looks at a stream's first frame. Raises `UpstreamError` where it tells of an error before anything was said, and
    closes the reply then: that is no answer yet, and another step may have one."""
    frames = reply.frames
    if frames is None or call.dialect is None:
        return
    try:
        opening = await anext(frames)
        raise_early_failure(opening)
    except UpstreamError as error:
        await reply.aclose()
        put_in_dialect(call, error, DIALECTS[call.dialect])
        raise
    except BaseException:
        await reply.aclose()
        raise
    reply.frames = _chained(opening, frames)


def put_in_dialect(call: Call, error: UpstreamError, errors: ErrorWriter) -> None:
    """What a provider said in other words than the caller of its step understands, in those."""
    native = error.native
    if call.dialect is not None and (native is None or native.dialect != call.dialect):
        headers = () if native is None else native.headers
        body = errors.write_error(error, call.id)
        error.native = Native(error.status, body, "application/json", call.dialect, headers)


async def _chained(opening: Frame, rest: AsyncIterator[Frame]) -> AsyncIterator[Frame]:
    yield opening
    async for frame in rest:
        yield frame


async def _body(reply: Reply) -> bytes:
    if reply.body is not None:
        return reply.body
    body = bytearray()
    if reply.pieces is not None:
        async for piece in reply.pieces:
            body += piece
            if len(body) > ERROR_MAX_BYTES:
                break
    return bytes(body)
