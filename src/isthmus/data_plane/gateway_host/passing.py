"""Bytes that are the caller's already, a provider's own answer mostly: as they come, and as fast as they are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from isthmus.core.call import Call
from isthmus.core.refusal import break_off
from isthmus.core.reply import Headers, Reply
from isthmus.data_plane.send import BrokenOff, Caller, EgressLimits, before_end, head
from isthmus.errors import GatewayError, Malformed


async def pass_through(
    call: Call, reply: Reply, pieces: AsyncIterator[bytes], caller: Caller, limits: EgressLimits
) -> None:
    """Raises `BrokenOff` where it stops in the middle: no words of ours could follow."""
    call.status = reply.status
    call.content_type = reply.content_type or None
    try:
        async with asyncio.timeout(limits.stream_max_seconds):
            await _pass(call, reply, pieces, caller, limits.stream_max_bytes)
        return
    except TimeoutError:
        failure: GatewayError = Malformed(f"The provider's answer took over {limits.stream_max_seconds:g} seconds.")
    except GatewayError as error:
        failure = error
    break_off(call, failure)
    reply.done()
    raise BrokenOff


async def _pass(call: Call, reply: Reply, pieces: AsyncIterator[bytes], caller: Caller, most: int) -> None:
    """The row is kept before the caller can have seen the end: the last byte, or else the mark behind it."""
    given, ended = 0, False
    await caller.respond(reply.status, _head(call, reply), b"", True)
    async for piece in pieces:
        given += len(piece)
        if given > most:
            raise Malformed(f"The provider's answer is over {most} bytes.")
        call.answer.add(piece)
        if given == reply.length:
            await _end(call, reply)
            ended = True
        await caller.pass_on(piece)
    if not ended:
        await _end(call, reply)
    await caller.pass_on(b"", False)


def _head(call: Call, reply: Reply) -> Headers:
    headers = head(call, reply)
    if not reply.content_type:
        headers = [line for line in headers if line[0] != b"content-type"]
    if reply.length is not None:
        headers.append((b"content-length", b"%d" % reply.length))
    return headers


async def _end(call: Call, reply: Reply) -> None:
    call.end = call.end or "completed"
    if reply.ending:
        await before_end(call, reply)
    reply.done()
