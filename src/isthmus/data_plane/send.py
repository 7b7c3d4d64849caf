"""Puts an answer's head and a whole body on the wire. A call's row is kept before its last byte goes out."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Protocol

import msgspec

from isthmus.core.call import Call
from isthmus.core.chat.fidelity import Note
from isthmus.core.refusal import refuse
from isthmus.core.reply import Headers, Reply
from isthmus.errors import GatewayError
from isthmus.policies.record import collects

logger = logging.getLogger("isthmus")

FIDELITY_MAX_CHARACTERS = 4096
ENDING_SECONDS = 5.0
# Names of fields are the caller's own text: what a quoted string may not hold (RFC 9651, 3.3.3) is replaced.
_NOT_QUOTABLE = re.compile(r'[^\x20-\x7e]|["\\]')


class BrokenOff(Exception):
    """Part of an answer has gone out, and no words can follow it: its connection is to be closed."""


class Caller(Protocol):
    """Who waits for the answer. Both wait while the caller reads more slowly than it is given. A body that has begun
    goes out in chunks, but where the headers name its length."""

    async def respond(self, status: int, headers: Headers, body: bytes, more_body: bool = False) -> None: ...

    async def pass_on(self, body: bytes, more_body: bool = True) -> None: ...


class EgressLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`answer_max_bytes`: the longest whole answer. `stream_max_bytes`, `stream_max_seconds`: the longest streamed one,
    far beyond any model's, since a provider may never stop. `keep_alive_seconds` 0: silent streams stay silent.
    `linger_seconds`: how long a provider may keep its connection after the last event of a stream."""

    answer_max_bytes: int = 64 * 1024 * 1024
    stream_max_bytes: int = 256 * 1024 * 1024
    stream_max_seconds: float = 7200.0
    log_body_bytes: int = 256 * 1024
    keep_alive_seconds: float = 15.0
    linger_seconds: float = 1.0


async def send_whole(call: Call, reply: Reply, body: bytes, caller: Caller) -> None:
    call.status = reply.status
    call.content_type = reply.content_type
    call.answer.add(body)
    if reply.ending:
        await before_end(call, reply)
    reply.done()
    await caller.respond(reply.status, head(call, reply), body)


async def before_end(call: Call, reply: Reply) -> None:
    """What was asked for by `Reply.when_ending`, once, for at most ENDING_SECONDS together."""
    callbacks, reply.ending = reply.ending, []
    if call.end != "completed":
        return
    try:
        async with asyncio.timeout(ENDING_SECONDS):
            for callback in callbacks:
                await callback()
    except Exception:
        logger.exception("what was to be kept of call %s was not", call.id)


async def send_refusal(call: Call, reply: Reply, error: GatewayError, caller: Caller) -> None:
    """An error in place of an answer of which nothing has gone out yet. The row is the reply's still."""
    refusal = refuse(call, error)
    reply.status = refusal.status
    reply.content_type = refusal.content_type
    reply.headers[:] = refusal.headers
    await send_whole(call, reply, refusal.body or b"", caller)


def head(call: Call, reply: Reply) -> Headers:
    request_id = call.id.encode()
    headers = [
        (b"content-type", reply.content_type),
        (b"cf-aig-request-id", request_id),
        (b"cf-aig-event-id", call.event_id.encode()),
        (b"cf-aig-step", b"%d" % call.step),
        *reply.headers,
    ]
    if collects(call):
        headers.append((b"cf-aig-log-id", request_id))
    if call.notes:
        headers.append((b"cf-aig-fidelity", receipt(call.notes)))
    if call.options.notices:
        headers.append((b"cf-aig-notice", receipt(call.options.notices)))
    if call.told:
        headers.extend(call.told.items())
    return headers


def receipt(notes: Sequence[Note]) -> bytes:
    """What happened to fields that the target lacks, or to options, as a structured list (RFC 9651):
    `lost;field="top_k";why="…"`.
    Where it is too long, `more;count=3` ends it, and the log row has the rest."""
    items: list[str] = []
    size = 0
    for number, note in enumerate(notes):
        item = f'{note.fate};field="{_quotable(note.field)}";why="{_quotable(note.why)}"'
        size += len(item) + 2
        if size > FIDELITY_MAX_CHARACTERS:
            items.append(f"more;count={len(notes) - number}")
            break
        items.append(item)
    return ", ".join(items).encode()


def _quotable(text: str) -> str:
    return _NOT_QUOTABLE.sub("?", text)[:256]
