"""Sends one request to a target and sees to it that an answer came: a provider's refusal is raised as what it is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Protocol

import msgspec

from isthmus.core.attempt import Located, Sign, Target
from isthmus.core.call import Call
from isthmus.errors import Malformed, Native, Unavailable, UpstreamError
from isthmus.providers.provider import TRACING
from isthmus.transport.protocol import Timeouts, Transport, UpstreamRequest, UpstreamResponse

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

# Where providers take their keys.
_HOLD_KEYS = frozenset((b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"xi-api-key"))
KEY_MIN_CHARACTERS = 8

# What of a caller's head goes along whatever the provider speaks.
_TRACING = frozenset(name for name, _ in TRACING)


class Refusing(Protocol):
    """The part of a dialect, of whatever kind, by which a provider's refusal is read."""

    @property
    def name(self) -> str: ...

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError: ...


class Sender:
    """Knows the one transport."""

    def __init__(self, transport: Transport, dialects: Mapping[str, Refusing], timeouts: Timeouts) -> None:
        self._transport = transport
        self._dialects = dialects
        self._timeouts = timeouts

    async def __call__(self, call: Call, target: Target, located: Located, body: bytes) -> UpstreamResponse:
        """An answer with a status below 300; the caller of this closes it. Raises `GatewayError`s for all others."""
        if located.adapt is not None:
            body = located.adapt(body)
        request = UpstreamRequest(
            method="POST",
            url=located.url,
            headers=self._headers(call, target, located),
            body=body,
            timeouts=self._patience(call),
            allow_private_address=target.allow_private_address,
        )
        response = await self._signed(request, located.sign)
        if response.status < 300:
            return response
        try:
            raise await self._failure(call, target, located, response)
        finally:
            await response.aclose()

    async def native(self, call: Call, request: UpstreamRequest, sign: Sign | None, provider: str) -> UpstreamResponse:
        """Any answer, whatever its status; the caller of this closes it. `sign` wants a body that is all here. Raises
        `GatewayError`s where there is none, and where the provider refused the installation's own key."""
        request = msgspec.structs.replace(request, timeouts=self._patience(call))
        response = await self._signed(request, sign)
        if call.own_key is None and _is_key_refused(response):
            call.first_byte_at = time.monotonic()
            await response.aclose()
            raise key_refused(provider)
        return response

    async def _signed(self, request: UpstreamRequest, sign: Sign | None) -> UpstreamResponse:
        if sign is not None:
            assert isinstance(request.body, bytes)
            headers = await sign(request.method, request.url, request.headers, request.body)
            request = msgspec.structs.replace(request, headers=headers)
        return await self._transport.send(request)

    def _patience(self, call: Call) -> Timeouts:
        wish = call.options.request_timeout_seconds
        return self._timeouts if wish is None else msgspec.structs.replace(self._timeouts, first_byte_seconds=wish)

    def _headers(self, call: Call, target: Target, located: Located) -> tuple[tuple[bytes, bytes], ...]:
        headers = located.headers
        same = self._dialects[target.dialect].name == call.dialect
        for name, otherwise in target.forward:
            value = call.headers.get(name, otherwise) if same or name in _TRACING else otherwise
            if value is not None:
                headers = (*headers, (name, value))
        return headers

    async def _failure(self, call: Call, target: Target, located: Located, response: UpstreamResponse) -> UpstreamError:
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
        if call.own_key is None and (_is_key_refused(response) or quotes_key(body, located.headers)):
            return key_refused(target.provider)
        dialect = self._dialects[target.dialect]
        retry_after = retry_after_of(response)
        error = dialect.read_error(status, body, retry_after)
        # A refusal that is not the caller's fault (a key of ours that is no good) is told in our own words.
        ours = status < 500 <= error.status
        if not ours and response.header(b"content-encoding") is None:
            content_type = (response.header(b"content-type") or b"application/json").decode("latin-1")
            kept = PASSED_ON if retry_after is not None else PASSED_ON | {b"retry-after"}
            passed = tuple(pair for pair in response.headers if pair[0] in kept)
            error.native = Native(status, body, content_type, dialect.name, passed)
        return error


def _is_key_refused(response: UpstreamResponse) -> bool:
    return response.status == 401 or (response.status == 403 and _amazons_word(response) in _KEY_REFUSED)


def quotes_key(body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a refusal repeats the key that these headers hold, whatever its status. Google does it for one that is
    suspended: 403, `Consumer 'api_key:AIza…' has been suspended`."""
    keys = (value.rpartition(b" ")[2] for name, value in headers if name in _HOLD_KEYS)
    return any(len(key) >= KEY_MIN_CHARACTERS and key in body for key in keys)


def key_refused(provider: str) -> Unavailable:
    """Where the key is the installation's own, not the caller's: providers quote parts of it in their answer."""
    return Unavailable(
        f"The provider {provider} refused this installation's credential. Its operator must renew it.", status=503
    )


def _amazons_word(response: UpstreamResponse) -> bytes:
    """The kind of an error, which AWS tells in a header alone, with an address behind it at times."""
    return (response.header(b"x-amzn-errortype") or b"").partition(b":")[0]


def retry_after_of(response: UpstreamResponse) -> float | None:
    """Seconds; a date (RFC 9110, 10.2.3) is left to the caller's own clock and counts as absent."""
    value = response.header(b"retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 86_400 else None
