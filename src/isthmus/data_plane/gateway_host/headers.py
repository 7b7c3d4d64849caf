"""Which header lines of a native request and of its answer go through (data-plane 2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import unquote_plus, unquote_to_bytes

from isthmus.core.snapshot import Snapshot
from isthmus.errors import InvalidRequest
from isthmus.policies.admit import KEY_HEADERS, shows_token

Line = tuple[bytes, bytes]

# RFC 9110, 7.6.1; and what Connection lists.
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
# What is said to this server, or by proxies on the way to it.
_NOT_SENT = HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"expect",
    b"forwarded",
    b"via",
    b"x-real-ip",
    b"x-fal-target-url",
    b"cookie",  # this host's: no provider's `set-cookie` goes through
}
_NOT_SENT_BEGINNINGS = (b"cf-", b"x-forwarded-", b"sec-websocket-")
# What this server writes itself; what is meant for the provider's own host alone.
_NOT_GIVEN = HOP_BY_HOP | {
    b"content-length",
    b"content-type",
    b"date",
    b"set-cookie",
    b"set-cookie2",
    b"alt-svc",
    b"strict-transport-security",
}
# What steers an account or turns one method into another: with a key of the caller's own alone.
FOR_OWN_KEYS = frozenset(
    (
        b"openai-organization",
        b"openai-project",
        b"x-goog-user-project",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
    )
)
# Never between two neighbours only, whatever Connection says.
_END_TO_END = frozenset((*KEY_HEADERS, b"host", b"content-length", b"content-type", b"content-encoding", b"cookie"))


def to_provider(lines: Iterable[Line], snapshot: Snapshot) -> list[Line]:
    """What of a caller's head its provider is sent, in its order, lines of one name each by itself. Raises
    `InvalidRequest` for a head that two servers could understand in two ways."""
    lines = list(lines)
    listed = _listed(lines)
    for name in listed:
        if name in _END_TO_END or name.startswith(b"cf-"):
            raise InvalidRequest(f"Connection lists `{name.decode('latin-1')[:64]}`, which is meant for the other end.")
    sent = []
    for name, value in lines:
        if name in _NOT_SENT or name in listed or name.startswith(_NOT_SENT_BEGINNINGS):
            if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                raise InvalidRequest("The body's transfer-encoding must be `chunked`, or none.")
        elif not shows_token(value, snapshot):
            sent.append((name, value))
    return sent


def to_caller(lines: Iterable[Line]) -> list[Line]:
    """What of a provider's head its caller is given; the content type goes beside it."""
    lines = list(lines)
    listed = _listed(lines)
    return [
        (name, value)
        for name, value in lines
        if name not in _NOT_GIVEN and name not in listed and not name.startswith(b"cf-aig-")
    ]


def query_to_provider(query: bytes, snapshot: Snapshot) -> bytes:
    """The query as it was sent, less any token of the platform's: Google's SDKs may put their key there."""
    if not query:
        return query
    kept = [each for each in query.split(b"&") if not shows_token(unquote_to_bytes(each.replace(b"+", b" ")), snapshot)]
    return b"&".join(kept)


def own_key(lines: Sequence[Line], key_header: bytes) -> str | None:
    """The caller's own key for the provider, of what is left: in the header that the provider takes it in, or where
    SDKs put it."""
    for name, value in lines:
        if (name == key_header or name in KEY_HEADERS) and value.strip():
            return value.strip().decode("latin-1")
    return None


def key_in_query(query: bytes) -> str | None:
    """Google's `?key=`."""
    for each in query.split(b"&"):
        name, _, value = each.partition(b"=")
        if name == b"key" and value:
            return unquote_plus(value.decode("latin-1"))
    return None


def _listed(lines: Iterable[Line]) -> set[bytes]:
    """Names that Connection calls this neighbour's alone."""
    options = (value.split(b",") for name, value in lines if name == b"connection")
    return {option.strip().lower() for each in options for option in each} - {b""}
