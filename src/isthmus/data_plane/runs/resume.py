"""`GET …/ai-gateway/gateways/{gateway}/run/{run}/resume?from=N`: the rest of a run, for who has the first N blocks."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler
from isthmus.data_plane.runs.run import RUN_ID
from isthmus.data_plane.runs.store import RunStore
from isthmus.errors import InvalidRequest, Unauthenticated

_NUMBER = re.compile(r"[0-9]{1,12}\Z")
_NOT_FOUND = b'{"error":"Request not found"}'
"""The vendor's words, for what is unknown, expired, or another's (data-plane 4.10)."""


def resume(runs: RunStore) -> Handler:
    """Behind `authenticate`. A run that is going on is followed to its end. It leaves no row: its call has one."""

    async def handler(call: Call) -> Reply:
        gateway_id, token = call.address.gateway_id or "", call.token
        if token is not None and token.gateways is not None and gateway_id not in token.gateways:
            raise Unauthenticated("Authentication error")
        blocks = _blocks(call)
        run = runs.find(call.account_id, call.address.parameters[0])
        if run is None or run.head.gateway_id != gateway_id:
            return _not_found()
        pieces = run.pieces()
        reply = Reply(200, content_type=run.head.content_type.encode("latin-1"), dialect=run.head.dialect, whole=False)
        reply.headers.append((RUN_ID, run.head.id.encode()))
        reply.when_closed(pieces.aclose)
        try:
            found = await pieces.skip(blocks)
        except BaseException:
            await reply.aclose()
            raise
        if not found:  # nobody can have been given so many
            await reply.aclose()
            return _not_found()
        if call.method == "HEAD":
            reply.body = b""
        else:
            reply.pieces = pieces
        return reply

    return handler


def _blocks(call: Call) -> int:
    """How many the caller has: all are given to one that does not say."""
    values = parse_qs(call.query.decode("latin-1"), keep_blank_values=True).get("from")
    last_event_id = call.headers.get(b"last-event-id")
    if values is not None:
        said, name = values[0], "from"
    elif last_event_id is not None:
        said, name = last_event_id.decode("latin-1").strip(), "Last-Event-ID"
    else:
        return 0
    if not _NUMBER.match(said):
        raise InvalidRequest(f"{name} must be the number of events that were received, as in `?from=12`.", param=name)
    return int(said)


def _not_found() -> Reply:
    reply = Reply(404, content_type=b"application/json", dialect="", whole=True)
    reply.body = _NOT_FOUND
    return reply
