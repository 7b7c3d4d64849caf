"""Fetches images and documents by their web address, for providers that take them only by value.

The addresses are the callers' own: none of them may lead to a private network, redirects included, and every fetch is
bounded in bytes, time and number.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec

from isthmus.core.chat.request import Chat, Document, Image, Message, Part, ToolResult, Video
from isthmus.errors import InvalidRequest, TooLarge, UpstreamError
from isthmus.transport.protocol import Timeouts, Transport, UpstreamRequest, UpstreamResponse
from isthmus.wire.media import checked_base64

REDIRECTS_MAX = 3
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_HEADERS = ((b"user-agent", b"isthmus/0.1"), (b"accept", b"image/*,application/pdf,*/*;q=0.5"))

P = TypeVar("P", bound=Image | Document | Video)


class MediaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`max_bytes` of one file; `max_files` and `total_seconds` of one call, since a server may trickle for ever without
    falling silent. `allow_private_address` is for an operator's own files."""

    max_bytes: int = 20 * 1024 * 1024
    max_files: int = 20
    total_seconds: float = 60.0
    timeouts: Timeouts = Timeouts(connect_seconds=5, first_byte_seconds=15, idle_seconds=15)
    allow_private_address: bool = False


class MediaFetcher:
    def __init__(self, transport: Transport, limits: MediaLimits) -> None:
        self._transport = transport
        self._limits = limits

    async def __call__(self, chat: Chat, urls: Sequence[str]) -> Chat:
        """Raises `InvalidRequest` for an address that gives no such file, `TooLarge` beyond the limits."""
        wanted = tuple(dict.fromkeys(urls))
        if len(wanted) > self._limits.max_files:
            raise TooLarge(f"The request names {len(wanted)} files to fetch; {self._limits.max_files} is the most.")
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                fetched = {url: await self._fetch(url) for url in wanted}
        except TimeoutError:
            raise InvalidRequest(
                f"The gateway could not fetch the request's files within {self._limits.total_seconds:g} seconds: send "
                "the files themselves, as base64.",
                param="messages",
            ) from None
        return msgspec.structs.replace(chat, messages=tuple(_with_content(m, fetched) for m in chat.messages))

    async def _fetch(self, url: str) -> tuple[str, str]:
        """(media type, base64 text)."""
        at = url
        for _ in range(REDIRECTS_MAX + 1):
            response = await self._opened(url, at)
            try:
                location = response.header(b"location") if response.status in _REDIRECTS else None
                if not location:
                    return await self._content(url, response)
                at = urljoin(at, location.decode("latin-1"))
            except (UpstreamError, ValueError) as error:
                raise _unreachable(url) from error
            finally:
                await response.aclose()
        raise _unreachable(url)

    async def _opened(self, url: str, at: str) -> UpstreamResponse:
        """What lies at `at`, to where `url` has led."""
        try:
            if urlsplit(at).scheme.lower() in ("http", "https"):
                return await self._transport.send(self._request(at))
        except (UpstreamError, InvalidRequest, ValueError) as error:
            raise _unreachable(url) from error
        raise _unreachable(url)

    def _request(self, url: str) -> UpstreamRequest:
        return UpstreamRequest(
            method="GET",
            url=url,
            headers=_HEADERS,
            timeouts=self._limits.timeouts,
            allow_private_address=self._limits.allow_private_address,
        )

    async def _content(self, url: str, response: UpstreamResponse) -> tuple[str, str]:
        if response.status != 200 or response.header(b"content-encoding") not in (None, b"identity"):
            raise _unreachable(url)
        parts: list[bytes] = []
        size = 0
        async for chunk in response.chunks():
            size += len(chunk)
            if size > self._limits.max_bytes:
                raise TooLarge(f"The file at {url[:200]} is over {self._limits.max_bytes} bytes.")
            parts.append(chunk)
        said = (response.header(b"content-type") or b"").partition(b";")[0].strip().lower().decode("latin-1")
        text = base64.b64encode(b"".join(parts)).decode()
        return checked_base64(text, said, "messages"), text


def _with_content(message: Message, fetched: dict[str, tuple[str, str]]) -> Message:
    return msgspec.structs.replace(message, parts=tuple(_filled(part, fetched) for part in message.parts))


def _filled(part: Part, fetched: dict[str, tuple[str, str]]) -> Part:
    if isinstance(part, ToolResult):
        inner = tuple(_by_value(item, fetched) if isinstance(item, Image | Document) else item for item in part.parts)
        return msgspec.structs.replace(part, parts=inner)
    return _by_value(part, fetched) if isinstance(part, Image | Document | Video) else part


def _by_value(part: P, fetched: dict[str, tuple[str, str]]) -> P:
    if part.url is None or part.url not in fetched:
        return part
    media_type, text = fetched[part.url]
    return msgspec.structs.replace(part, url=None, base64=text, media_type=media_type)


def _unreachable(url: str) -> InvalidRequest:
    return InvalidRequest(
        f"The gateway could not fetch {url[:200]}: send the file itself, as base64.", param="messages"
    )
