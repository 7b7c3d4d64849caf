"""What an orchestrator asks: does the process live, and can it serve. No token, no secrets, no database wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from isthmus.storage.open import Storage

Scope = MutableMapping[str, Any]


def health(storage: Storage) -> Callable[[Scope, Any, Any], Awaitable[None]]:
    """`/health/live`: 200. `/health/ready`: 200 while calls can be served. A store that is out does not stop traffic
    (rows wait in the journal), so it is told, and the gateway stays ready."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/health/live":
            status, body = 200, {"status": "live"}
        elif path == "/health/ready":
            logs = storage.logs.health
            database = "ok" if logs.healthy else "unavailable"
            status, body = 200, {"status": "ready", "database": database, "rows_lost": str(logs.lost)}
        else:
            status, body = 404, {"status": "not found"}
        content = msgspec.json.encode(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app
