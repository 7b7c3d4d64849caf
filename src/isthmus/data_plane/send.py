"""Puts an answer's head and a whole body on the wire. A call's row is kept before its last byte goes out."""

from __future__ import annotations

import re
from typing import Protocol

import msgspec

from isthmus.core.call import Call
from isthmus.core.refusal import refuse
from isthmus.core.reply import Headers, Reply
from isthmus.errors import GatewayError
from isthmus.policies.record import collects

# Names of fields are the caller's own text.
_NOT_PLAIN = re.compile(r"[^\x21-\x7e]")


class Caller(Protocol):
    """Who waits for the answer. Both wait while the caller reads more slowly than it is given."""

    async def respond(self, status: int, headers: Headers, body: bytes, more_body: bool = False) -> None: ...

    async def pass_on(self, body: bytes, more_body: bool = True) -> None: ...


class EgressLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`answer_max_bytes`: the longest whole answer. `keep_alive_seconds` 0: silent streams stay silent.
    `linger_seconds`: how long a provider may keep its connection after the last event of a stream."""

    answer_max_bytes: int = 64 * 1024 * 1024
    log_body_bytes: int = 256 * 1024
    keep_alive_seconds: float = 15.0
    linger_seconds: float = 1.0


async def send_whole(call: Call, reply: Reply, body: bytes, caller: Caller) -> None:
    call.status = reply.status
    call.content_type = reply.content_type
    call.answer.add(body)
    reply.done()
    await caller.respond(reply.status, head(call, reply), body)


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
        (b"cf-aig-step", b"0"),
        *reply.headers,
    ]
    if collects(call):
        headers.append((b"cf-aig-log-id", request_id))
    if call.lost:
        headers.append((b"cf-aig-fidelity", _NOT_PLAIN.sub("?", "lost=" + ",".join(call.lost))[:1024].encode()))
    return headers
