"""Who calls by the gateway host, and whether the gateway lets them in (data-plane 2.2).

The platform's token comes in `cf-aig-authorization`, or where an SDK puts its key. A gateway whose `authentication` is
off lets strangers in, who then need a key of their own: what the installation pays for is for its tokens alone.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from contextlib import suppress

from isthmus.clock import Clock
from isthmus.core.account import AI_GATEWAY_RUN, Token, digest, has_form
from isthmus.core.call import Call
from isthmus.core.gateway import DEFAULT_ID
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import Handler, Stage
from isthmus.errors import InvalidRequest, Unauthenticated
from isthmus.policies.authenticate import SECRET_MAX_BYTES, Refresh, verify
from isthmus.policies.choose_gateway import EnsureDefault, no_gateway

RUN = frozenset((AI_GATEWAY_RUN,))
UNAUTHORIZED = 2009
OWN_HEADER = b"cf-aig-authorization"
# Where SDKs put the key that they are given.
KEY_HEADERS = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")

SHOWN_MIN_CHARACTERS = 8
_PIECE = re.compile(rb"[^\s,;:=\"'<>()\[\]{}]{%d,}" % SHOWN_MIN_CHARACTERS)
_BASIC = re.compile(rb"basic\s+([a-z0-9+/_-]+)", re.IGNORECASE)


def admit(clock: Clock, refresh: Refresh, ensure_default: EnsureDefault) -> Stage:
    """`refresh` and `ensure_default` as for `authenticate` and `choose_gateway`."""

    async def stage(call: Call, call_next: Handler) -> Reply:
        gateway_id = call.address.gateway_id or DEFAULT_ID
        place = call.account_id, gateway_id
        call.token = token_of(call, clock.now())
        if call.token is None and _may_be_ours(call, place):
            call.snapshot = await refresh()
            call.token = token_of(call, clock.now())
        if place not in call.snapshot.gateways and gateway_id == DEFAULT_ID and call.token is not None:
            call.snapshot = await ensure_default(call.account_id)
        gateway = call.snapshot.gateways.get(place)
        if gateway is None:
            raise no_gateway(gateway_id)
        if call.token is None and gateway.settings.authentication:
            raise Unauthenticated("Unauthorized", code=UNAUTHORIZED)
        call.gateway = gateway
        call.own_key = own_key_of(call)
        return await call_next(call)

    return stage


def check_token(call: Call) -> None:
    """Raises `InvalidRequest` for a stranger, whatever key it has: what is asked for is this installation's own."""
    if call.token is None:
        raise InvalidRequest(
            "This model is served by the installation itself, for its own tokens alone: send a token of this account "
            "in cf-aig-authorization, or as the Authorization."
        )


def check_credential(call: Call) -> None:
    """Raises `InvalidRequest` for a stranger without a key of its own: what the installation holds is for its tokens
    alone (data-plane 2.2)."""
    if call.token is None and call.own_key is None:
        raise InvalidRequest(
            "There is no credential to call the provider with: send the provider's own key, or a token of this account "
            "in cf-aig-authorization, so that this installation's key may be used."
        )


def _may_be_ours(call: Call, place: tuple[str, str]) -> bool:
    """Whether a token that is not known may be one that another process has just made. Where strangers are let in they
    bring keys of providers, and to ask the store about each would cost them every call: only what has the form of our
    own secrets is asked about, since taken for a provider's key it would be sent there."""
    gateway = call.snapshot.gateways.get(place)
    if gateway is None or gateway.settings.authentication or OWN_HEADER in call.headers:
        return True
    return any(has_form(piece) for name in KEY_HEADERS for piece in _pieces(call.headers.get(name, b"")))


def carries_token(name: bytes, value: bytes, snapshot: Snapshot) -> bool:
    """Whether a header line shows a token of the platform's, good here or not: no provider may see it."""
    return name in KEY_HEADERS and shows_token(value, snapshot)


def shows_token(value: bytes, snapshot: Snapshot) -> bool:
    """Whether a token of the platform's stands in this, good here or not: by itself, in quotes, in a list, behind a
    word or a name, as a user's password (RFC 7617). However it is written, no provider may see it."""
    return any(digest(piece) in snapshot.tokens for piece in _pieces(value))


def _pieces(value: bytes) -> set[str]:
    """All in it that may be a token."""
    pieces = {value.strip(), value.rpartition(b" ")[2], *_PIECE.findall(value)}
    for basic in _BASIC.findall(value):
        with suppress(binascii.Error):
            pieces.update(_PIECE.findall(binascii.a2b_base64(basic + b"===")))  # more padding than it may need
    return {piece.decode("latin-1") for piece in pieces if len(piece) >= SHOWN_MIN_CHARACTERS}


def token_of(call: Call, now: float) -> Token | None:
    for secret in _shown(call.headers):
        try:
            token = verify(call.snapshot, secret, call.account_id, RUN, now)
        except Unauthenticated:
            continue
        return token if token.may_pass(call.address.gateway_id or DEFAULT_ID) else None
    return None


def _shown(headers: Mapping[bytes, bytes]) -> list[str]:
    """What may be our token. Our own header, where it is there, has the only word."""
    own = headers.get(OWN_HEADER)
    if own is not None:
        return [_bare(own)]
    return [_bare(value) for name in KEY_HEADERS if (value := headers.get(name))]


def own_key_of(call: Call) -> str | None:
    """The caller's key for the provider, as compatible callers send it."""
    value = call.headers.get(b"authorization")
    if value is None or carries_token(b"authorization", value, call.snapshot):
        return None
    return _bare(value) or None


def _bare(value: bytes) -> str:
    scheme, _, secret = value.partition(b" ")
    bare = secret.strip() if scheme.lower() == b"bearer" else value.strip()
    return bare[:SECRET_MAX_BYTES].decode("latin-1")
