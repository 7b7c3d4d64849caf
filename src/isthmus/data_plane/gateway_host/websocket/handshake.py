"""Who may open a socket: only a token, and only at a gateway that asks for one (data-plane 2.2, 12.1)."""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.errors import Unauthenticated
from isthmus.policies.admit import OWN_HEADER, UNAUTHORIZED

SUBPROTOCOL = "cf-aig-authorization."


def asks_for_socket(method: str, lines: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request is a handshake, sound or not."""
    return method == "GET" and any(
        name == b"upgrade" and value.strip().lower() == b"websocket" for name, value in lines
    )


def show_token(call: Call) -> str | None:
    """A browser can set no header: its token comes as a subprotocol, and is put where others show theirs. Gives the
    subprotocol to agree on, since browsers give up where they offered some and none is taken: one of the caller's that
    tells nothing, else the one with the token."""
    offered = [
        name.strip()
        for header, value in call.lines
        if header == b"sec-websocket-protocol"
        for name in value.decode("latin-1").split(",")
    ]
    call.headers.pop(b"sec-websocket-protocol", None)
    shown = [name for name in offered if name.lower().startswith(SUBPROTOCOL)]
    if shown:
        call.headers.setdefault(OWN_HEADER, shown[0][len(SUBPROTOCOL) :].encode("latin-1"))
    return next((name for name in offered if name and name not in shown), shown[0] if shown else None)


async def may_open(call: Call) -> Reply:
    """After `admit`. Raises `Unauthenticated`."""
    assert call.gateway is not None
    if not call.gateway.settings.authentication:
        raise Unauthenticated(
            "Unauthorized: a WebSocket needs a gateway whose `authentication` is on, and this one's is off.",
            code=UNAUTHORIZED,
        )
    return Reply(101, content_type=b"", dialect="", whole=True)
