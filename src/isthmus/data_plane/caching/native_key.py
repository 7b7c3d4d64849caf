"""The same for a provider's own path: what the answer depends on is the request as the provider is sent it."""

from __future__ import annotations

import msgspec

from isthmus.core.call import Call
from isthmus.core.native import NativePlace
from isthmus.data_plane.caching.key import canonical, digest, is_costly, secret_part
from isthmus.data_plane.gateway_host.upload import is_json
from isthmus.transport.protocol import UpstreamRequest

_KEYED = (b"accept", b"accept-encoding", b"content-type", b"x-method-override")
_KEYED_PREFIXES = (b"anthropic-", b"openai-", b"x-goog-", b"x-amzn-bedrock-", b"x-amz-bedrock-", b"x-http-method")
"""Of the head, what changes the answer's content. What signs it is another part of the key."""


def fingerprint(call: Call, place: NativePlace, upstream: UpstreamRequest) -> bytes | None:
    """None where the request only asks for what is there, is no JSON (a form with a file, say), or goes unread; and
    where it may start something that is there afterwards (a job, a file), unless the caller says what is alike."""
    if upstream.method != "POST" or not isinstance(upstream.body, bytes) or not is_json(list(upstream.headers)):
        return None
    if place.known is None and not place.open and call.options.cache_key is None:
        return None
    keys = (place.key_header, place.bearer_as)
    head = [
        b"%b:%b" % line
        for line in sorted(upstream.headers)
        if line[0] not in keys and (line[0] in _KEYED or line[0].startswith(_KEYED_PREFIXES))
    ]
    return digest(
        b"native",
        place.provider.encode(),
        upstream.url.encode("utf-8", "surrogatepass"),
        secret_part(call.own_key),
        b"\n".join(head),
        _canonical(upstream.body),
    )


def _canonical(body: bytes) -> bytes:
    if is_costly(body):
        return body
    try:
        return canonical(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
