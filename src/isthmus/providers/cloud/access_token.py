"""An access token that is fetched when it is first needed and again shortly before it runs out, by one call for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from isthmus.clock import Clock, SystemClock
from isthmus.core.attempt import Headers
from isthmus.errors import Unavailable, UpstreamError
from isthmus.transport.protocol import Timeouts, Transport, UpstreamRequest

FORM = (b"content-type", b"application/x-www-form-urlencoded")
EARLY_SECONDS = 300.0
"""A token that runs out sooner is fetched anew. Never more than half of its life is given away."""
LIFE_MAX_SECONDS = 7 * 86_400.0
ANSWER_MAX_BYTES = 1024 * 1024
TIMEOUTS = Timeouts(connect_seconds=10.0, first_byte_seconds=30.0, idle_seconds=30.0)


class Granted(msgspec.Struct, frozen=True):
    """A token, and for how many seconds it is good."""

    access_token: str
    expires_in: float


Fetch = Callable[[], Awaitable[Granted]]


class AccessToken:
    """`fetch` raises `UpstreamError`; whoever waits for the token then gets that error, and the next call tries again.
    The fetching goes on when the caller that began it leaves: others wait for it."""

    def __init__(self, fetch: Fetch, clock: Clock | None = None) -> None:
        self._fetch = fetch
        self._clock = clock or SystemClock()
        self._token = ""
        self._good_until = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def get(self) -> str:
        if self._clock.monotonic() >= self._good_until:
            task = self._fetching
            if task is None:
                task = self._fetching = asyncio.create_task(self._renew())
                task.add_done_callback(self._done)
            await asyncio.shield(task)
        return self._token

    async def sign(self, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        return (*headers, (b"authorization", b"Bearer " + (await self.get()).encode()))

    async def _renew(self) -> None:
        began = self._clock.monotonic()
        granted = await self._fetch()
        self._token = granted.access_token
        self._good_until = began + granted.expires_in - min(EARLY_SECONDS, granted.expires_in / 2)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # seen: each caller has it from its own await, and all of them may have left


async def exchange(transport: Transport, url: str, form: bytes, whose: str) -> Granted:
    """Asks an OAuth 2 token endpoint (RFC 6749, 4.4.3 and 5.1). `whose` names the provider in what is raised; neither
    the form nor the answer is quoted, for both hold secrets."""
    request = UpstreamRequest(
        method="POST", url=url, headers=(FORM,), body=form, timeouts=TIMEOUTS, allow_private_address=False
    )
    try:
        response = await transport.send(request)
    except UpstreamError as error:
        raise Unavailable(f"No access token for the provider {whose}: {error.message}", status=503) from error
    try:
        if response.status != 200:
            raise Unavailable(_refusal(whose, response.status), status=503)
        answer = bytearray()
        async for chunk in response.chunks():
            answer += chunk
            if len(answer) > ANSWER_MAX_BYTES:
                raise Unavailable(f"The answer with the access token for the provider {whose} is too long.", status=503)
    finally:
        await response.aclose()
    try:
        granted = msgspec.json.decode(answer, type=Granted, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unavailable(
            f"The answer with the access token for the provider {whose} makes no sense.", status=503
        ) from None
    token = granted.access_token
    if not (token and token.isascii() and token.isprintable() and 0 < granted.expires_in < LIFE_MAX_SECONDS):
        raise Unavailable(f"The access token for the provider {whose} cannot be used.", status=503)
    return granted


def _refusal(whose: str, status: int) -> str:
    if 400 <= status < 500:
        return (
            f"The provider {whose} gave no access token for this installation's credential (status {status}). Its "
            "operator must renew it."
        )
    return f"The provider {whose} gave no access token: its token endpoint answered with status {status}."
