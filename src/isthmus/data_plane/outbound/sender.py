"""Sends one request to a target and sees to it that an answer came: a provider's refusal is raised as what it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from isthmus.core.attempt import Located, Target
from isthmus.core.call import Call
from isthmus.errors import Malformed, Native, Unavailable, UpstreamError
from isthmus.providers.provider import TRACING
from isthmus.transport.protocol import Timeouts, Transport, UpstreamRequest, UpstreamResponse
from isthmus.wire.protocol import Dialect

ERROR_MAX_BYTES = 1024 * 1024

# What of a provider's answer head goes on to the caller.
PASSED_ON = frozenset((b"x-request-id", b"request-id", b"openai-processing-ms", b"x-should-retry"))

# https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
_KEY_REFUSED = frozenset(
    (
        b"UnrecognizedClientException",
        b"InvalidSignatureException",
        b"ExpiredTokenException",
        b"IncompleteSignatureException",
        b"MissingAuthenticationTokenException",
    )
)

# What of a caller's head goes along whatever the provider speaks.
_TRACING = frozenset(name for name, _ in TRACING)


class Sender:
    """Knows the one transport."""

    def __init__(self, transport: Transport, dialects: Mapping[str, Dialect], timeouts: Timeouts) -> None:
        self._transport = transport
        self._dialects = dialects
        self._timeouts = timeouts

    async def __call__(self, call: Call, target: Target, located: Located, body: bytes) -> UpstreamResponse:
        """An answer with a status below 300; the caller of this closes it. Raises `GatewayError`s for all others."""
        if located.adapt is not None:
            body = located.adapt(body)
        headers = self._headers(call, target, located)
        if located.sign is not None:
            headers = await located.sign("POST", located.url, headers, body)
        timeouts = self._timeouts
        wish = call.options.request_timeout_seconds
        if wish is not None:
            timeouts = msgspec.structs.replace(timeouts, first_byte_seconds=wish)
        request = UpstreamRequest(
            method="POST",
            url=located.url,
            headers=headers,
            body=body,
            timeouts=timeouts,
            allow_private_address=target.allow_private_address,
        )
        response = await self._transport.send(request)
        if response.status < 300:
            return response
        try:
            raise await self._failure(call, target, response)
        finally:
            await response.aclose()

    def _headers(self, call: Call, target: Target, located: Located) -> tuple[tuple[bytes, bytes], ...]:
        headers = located.headers
        same = self._dialects[target.dialect].name == call.dialect
        for name, otherwise in target.forward:
            value = call.headers.get(name, otherwise) if same or name in _TRACING else otherwise
            if value is not None:
                headers = (*headers, (name, value))
        return headers

    async def _failure(self, call: Call, target: Target, response: UpstreamResponse) -> UpstreamError:
        """The provider's refusal. Its body is kept for callers who speak its dialect."""
        status = response.status
        call.first_byte_at = time.monotonic()
        if not 400 <= status < 600:
            return Malformed(f"The provider {target.provider} answered with status {status}: no answer and no error.")
        parts: list[bytes] = []
        size = 0
        with suppress(UpstreamError):  # the status is told all the same
            async for chunk in response.chunks():
                parts.append(chunk)
                size += len(chunk)
                if size > ERROR_MAX_BYTES:
                    break
        body = b"".join(parts)
        if status == 401 or (status == 403 and _amazons_word(response) in _KEY_REFUSED):
            # The key is the installation's own, not the caller's; providers quote parts of it in this answer.
            return Unavailable(
                f"The provider {target.provider} refused this installation's credential. Its operator must renew it.",
                status=503,
            )
        dialect = self._dialects[target.dialect]
        retry_after = _retry_after(response)
        error = dialect.read_error(status, body, retry_after)
        # A refusal that is not the caller's fault (a key of ours that is no good) is told in our own words.
        ours = status < 500 <= error.status
        if not ours and response.header(b"content-encoding") is None:
            content_type = (response.header(b"content-type") or b"application/json").decode("latin-1")
            kept = PASSED_ON if retry_after is not None else PASSED_ON | {b"retry-after"}
            passed = tuple(pair for pair in response.headers if pair[0] in kept)
            error.native = Native(status, body, content_type, dialect.name, passed)
        return error


def _amazons_word(response: UpstreamResponse) -> bytes:
    """The kind of an error, which AWS tells in a header alone, with an address behind it at times."""
    return (response.header(b"x-amzn-errortype") or b"").partition(b":")[0]


def _retry_after(response: UpstreamResponse) -> float | None:
    """Seconds; a date (RFC 9110, 10.2.3) is left to the caller's own clock and counts as absent."""
    value = response.header(b"retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 86_400 else None
