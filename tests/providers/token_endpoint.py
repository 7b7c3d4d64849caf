"""A transport that is a token endpoint and nothing else: it gives out tokens, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from isthmus.errors import Unavailable
from isthmus.transport.protocol import UpstreamRequest


class Answer:
    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self.complete = False
        self.closed = False
        self._body = body

    def header(self, name: bytes) -> bytes | None:
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 7):
            yield self._body[start : start + 7]
        self.complete = True

    async def aclose(self) -> None:
        self.closed = True


class TokenEndpoint:
    """`status` and `body` may be changed between calls; `{n}` in the body counts them. `gate` holds answers back."""

    def __init__(self, body: bytes = b'{"access_token":"token-{n}","expires_in":3600,"token_type":"Bearer"}') -> None:
        self.status = 200
        self.body = body
        self.requests: list[UpstreamRequest] = []
        self.answers: list[Answer] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.down = False

    async def send(self, request: UpstreamRequest) -> Answer:
        self.requests.append(request)
        await self.gate.wait()
        if self.down:
            raise Unavailable("no connection")
        answer = Answer(self.status, self.body.replace(b"{n}", b"%d" % len(self.requests)))
        self.answers.append(answer)
        return answer

    async def aclose(self) -> None:
        pass
