"""Texts to vectors that say what they mean, by the local model in its own process."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from isthmus.clock import Clock
from isthmus.core.attempt import Located
from isthmus.errors import GatewayError
from isthmus.transport.protocol import Transport, UpstreamRequest

logger = logging.getLogger("isthmus")

EMBED_SECONDS = 2.0
"""A caller waits no longer for what may spare it a call."""

REST_SECONDS = 10.0
"""After a failure nobody waits for it again for so long."""

AT_ONCE = 16
"""The model answers one after the other. Whoever comes beyond these would wait for half a second and more, and for a
time-out in the end: it goes on without."""

ANSWER_MAX_BYTES = 64 * 1024
DIMENSIONS = 384


class Embedder(Protocol):
    async def embed(self, texts: Sequence[str]) -> list[bytes] | None:
        """A vector for each: float32, little-endian, of length one. None where there are none now, for whatever
        reason; bounded in time."""
        ...


class _Vector(msgspec.Struct):
    embedding: str


class _Embedded(msgspec.Struct):
    data: list[_Vector]


class LocalEmbedder:
    """`locate` starts the model where need be."""

    def __init__(self, transport: Transport, locate: Callable[[], Awaitable[Located]], clock: Clock) -> None:
        self._transport = transport
        self._locate = locate
        self._clock = clock
        self._rests_until = 0.0
        self._running = 0

    async def embed(self, texts: Sequence[str]) -> list[bytes] | None:
        if self._rests() or self._running >= AT_ONCE:
            return None
        self._running += 1
        try:
            async with asyncio.timeout(EMBED_SECONDS):
                return await self._embedded(texts)
        except TimeoutError:
            reason = f"no vectors within {EMBED_SECONDS:g} seconds"
        except GatewayError as error:
            reason = error.message
        except (msgspec.DecodeError, binascii.Error, ValueError):
            reason = "the local model's answer makes no sense"
        finally:
            self._running -= 1
        if self._rests():  # somebody who asked at the same time has said so
            return None
        self._rests_until = self._clock.monotonic() + REST_SECONDS
        logger.warning("the semantic cache rests for %g seconds: %s", REST_SECONDS, reason)
        return None

    def _rests(self) -> bool:
        return self._clock.monotonic() < self._rests_until

    async def _embedded(self, texts: Sequence[str]) -> list[bytes]:
        located = await self._locate()
        # For likeness both sides are read as questions are.
        asked = {"input": texts, "encoding_format": "base64", "input_type": "query"}
        request = UpstreamRequest(
            method="POST", url=located.url, headers=located.headers, body=msgspec.json.encode(asked)
        )
        response = await self._transport.send(request)
        try:
            answer = b""
            async for chunk in response.chunks():
                answer += chunk
                if len(answer) > ANSWER_MAX_BYTES:
                    raise ValueError
        finally:
            await response.aclose()
        vectors = [base64.b64decode(each.embedding) for each in msgspec.json.decode(answer, type=_Embedded).data]
        if len(vectors) != len(texts) or any(len(vector) != 4 * DIMENSIONS for vector in vectors):
            raise ValueError
        return vectors
