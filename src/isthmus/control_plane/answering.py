"""What every address of the management API does alike: it reads the query, and turns whatever comes of a call into one
answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from isthmus.control_plane.envelope import JSON, Answer
from isthmus.errors import CallerLeft, GatewayError, InternalError
from isthmus.storage.protocols import StorageError
from isthmus.validation.fields import one_problem

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_QUERY_FIELDS = 2000

_HOST = re.compile(rb"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?\Z|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?\Z")

log = logging.getLogger(__name__)


async def answered(
    scope: Scope, send: Send, answer: Awaitable[Answer], refuse: Callable[[GatewayError], Answer]
) -> None:
    """Sends `answer`, or what `refuse` makes of the error that came instead."""
    try:
        outcome = await answer
    except CallerLeft:
        return
    except GatewayError as error:
        outcome = refuse(error)
    except StorageError as error:
        log.error("%s %s: the store does not answer: %s", scope["method"], scope["path"], error)
        outcome = refuse(InternalError("The store does not answer; try again", status=503))
    except Exception:
        log.exception("%s %s failed", scope["method"], scope["path"])
        outcome = refuse(InternalError("Internal error"))
    await send_answer(outcome, send)


async def send_answer(answer: Answer, send: Send) -> None:
    headers = [
        (b"content-type", JSON),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def read_query(scope: Scope) -> list[tuple[str, str]]:
    """The pairs in the order sent; raises `InvalidFields` where there are too many."""
    try:
        return parse_qsl(scope["query_string"].decode("latin-1"), True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise one_problem(f"At most {MAX_QUERY_FIELDS} parameters", "query") from None


def origin_of(scope: Scope) -> str:
    """Scheme and host, as the caller addressed us; as we are bound where it names no host that could be one."""
    host = dict(scope["headers"]).get(b"host", b"")
    if not _HOST.match(host):
        server = scope.get("server") or ("localhost", None)
        host = f"{server[0]}:{server[1]}".encode() if server[1] else str(server[0]).encode()
    return f"{scope['scheme']}://{host.decode()}"
