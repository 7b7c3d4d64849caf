"""What an orchestrator asks: does the process live, and can it serve; and what Claude Code asks when it starts, whether
somebody is there at all. No token, no secrets, no database wait."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from isthmus.storage.open import Storage

Scope = MutableMapping[str, Any]

# Below every base URL that it may be given.
_HELLO = re.compile(r"/(?:client/v4/accounts/[^/]+/ai|anthropic)/api/hello\Z")


def is_hello(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.endswith("/hello") and scope["method"] in ("GET", "HEAD") and _HELLO.match(path) is not None


def health(storage: Storage) -> Callable[[Scope, Any, Any], Awaitable[None]]:
    """A hello: 200 and nothing more. `/health/live`: 200. `/health/ready`: 200 while calls can be served. A store that
    is out does not stop traffic (rows wait in the journal), so it is told, and the gateway stays ready."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        path = scope["path"]
        if is_hello(scope):
            await _send(send, 200, b"")
            return
        if path == "/health/live":
            status, body = 200, {"status": "live"}
        elif path == "/health/ready":
            logs = storage.logs.health
            database = "ok" if logs.healthy else "unavailable"
            status, body = 200, {"status": "ready", "database": database, "rows_lost": str(logs.lost)}
        else:
            status, body = 404, {"status": "not found"}
        await _send(send, status, msgspec.json.encode(body))

    return app


async def _send(send: Any, status: int, content: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(content))]
    if content:
        headers.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
