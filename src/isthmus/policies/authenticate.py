"""Who calls: an API token of the account, with a permission that lets it (data-plane 2.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from isthmus.clock import Clock
from isthmus.core.account import AI_GATEWAY_RUN, WORKERS_AI_READ, Token, digest
from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import Handler, Stage
from isthmus.errors import Forbidden, Unauthenticated

# The vendor's pages disagree on which of the two `/ai/*` wants, so either will do.
RUN = frozenset((WORKERS_AI_READ, AI_GATEWAY_RUN))

SECRET_MAX_BYTES = 512

Refresh = Callable[[], Awaitable[Snapshot]]


def secret_of(headers: Mapping[bytes, bytes], key_header: bytes | None) -> str:
    """The token as the caller shows it; `Authorization` wins. Empty where there is none, or none of that form."""
    value = headers.get(b"authorization")
    if value is not None:
        scheme, _, secret = value.partition(b" ")
        value = secret.strip() if scheme.lower() == b"bearer" else b""
    elif key_header is not None:
        value = headers.get(key_header)
    return (value or b"")[:SECRET_MAX_BYTES].decode("latin-1")


def verify(snapshot: Snapshot, secret: str, account_id: str | None, permissions: frozenset[str], now: float) -> Token:
    """Raises `Unauthenticated`, in the same words and by the same steps whatever was wrong: no token, an unknown one,
    a revoked or expired one, another account's, one without the permission. Tokens are looked up by their SHA-256, so
    that no comparison of secrets takes place whose time could tell anything."""
    token = snapshot.tokens.get(digest(secret))
    if (
        token is None
        or not token.live(now)
        or (account_id is not None and token.account_id != account_id)
        or permissions.isdisjoint(token.permissions)
    ):
        raise Unauthenticated("Authentication error")
    return token


def check_model(token: Token | None, *spellings: str) -> None:
    """Raises `Forbidden` where the token is bound to other models: none of these spellings of one model's name is among
    them."""
    if token is not None and not token.may_call(*spellings):
        raise Forbidden("This token may not use this model.", param="model")


def authenticate(clock: Clock, refresh: Refresh) -> Stage:
    """`refresh` gives the newest snapshot: a token that another process has just made counts at once."""

    async def stage(call: Call, call_next: Handler) -> Reply:
        secret = secret_of(call.headers, call.endpoint.key_header)
        account_id = call.account_id or None  # a short address: the token says whose
        try:
            call.token = verify(call.snapshot, secret, account_id, RUN, clock.now())
        except Unauthenticated:
            call.snapshot = await refresh()
            call.token = verify(call.snapshot, secret, account_id, RUN, clock.now())
        call.account_id = call.token.account_id
        return await call_next(call)

    return stage
