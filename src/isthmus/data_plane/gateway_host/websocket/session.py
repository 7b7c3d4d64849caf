"""One open socket: each of its messages is a call of its own, and all of them run side by side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, Protocol

import msgspec

from isthmus.data_plane.gateway_host.websocket import messages
from isthmus.data_plane.gateway_host.websocket.caller import SocketCaller
from isthmus.data_plane.gateway_host.websocket.messages import Create
from isthmus.errors import Busy, GatewayError, InternalError, InvalidRequest

logger = logging.getLogger("isthmus")

# RFC 6455, 7.4.1.
GOING_AWAY = 1001
INTERNAL_ERROR = 1011


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`requests`: in flight on one socket. `idle_seconds`: how long it may be open with none of them. `ping_seconds`: a
    silent peer is asked this often, and is gone if it has not answered by the next time; 0: it is not asked.
    `stall_seconds`: how long it may read nothing while bytes wait for it."""

    message_max_bytes: int = 32 * 1024 * 1024
    answer_max_bytes: int = 64 * 1024 * 1024
    requests: int = 100
    idle_seconds: float = 600.0
    ping_seconds: float = 20.0
    stall_seconds: float = 300.0


class Signal(Enum):
    """What a socket may bring instead of a text."""

    BINARY = "binary"
    DRAIN = "drain"
    LEFT = "left"


class Frames(Protocol):
    """The socket's wire (`frames.SocketFrames`). After LEFT nothing more comes, and what is sent is dropped."""

    async def receive(self) -> bytes | Signal: ...

    async def send(self, message: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


Answer = Callable[[Create, SocketCaller], Awaitable[None]]
Begin = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Session:
    """`answer` makes a message into a call and has it answered. `begin` starts a task that the server's end cancels."""

    def __init__(self, frames: Frames, answer: Answer, begin: Begin, limits: SocketLimits) -> None:
        self._frames = frames
        self._answer = answer
        self._begin = begin
        self._limits = limits
        self._tasks: dict[asyncio.Task[None], SocketCaller] = {}
        self._running: set[SocketCaller] = set()
        self._draining = False

    async def run(self) -> None:
        """To the socket's end. Calls in flight end with it: the caller has left them."""
        try:
            while await self._step():
                pass
        except asyncio.CancelledError:  # the server's end, which cancels the calls as well
            await self._settled()
            self._frames.close(GOING_AWAY, "the gateway was stopped")
            raise
        except Exception:
            logger.exception("a WebSocket failed")
            self._frames.close(INTERNAL_ERROR, "the gateway failed")
        for task, caller in self._tasks.items():
            if caller.call is None or caller.call.hang_up():
                task.cancel()
        await self._settled()

    async def _step(self) -> bool:
        """Whether the socket goes on."""
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                arrived = await self._frames.receive()
        except TimeoutError:
            if not self._tasks:
                self._frames.close(GOING_AWAY, "no request for a while")
            return True
        if arrived is Signal.LEFT:
            return False
        if arrived is Signal.DRAIN:
            self._draining = True
            self._close_if_drained()
        elif isinstance(arrived, Signal):
            await self._tell(None, InvalidRequest("Messages must be text frames.", code=messages.INVALID))
        else:
            await self._take(arrived)
        return True

    async def _settled(self) -> None:
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _take(self, message: bytes) -> None:
        read = messages.read_create(message)
        if isinstance(read, Create):
            problem = self._problem(read.event_id)
            if problem is None:
                self._start(read)
            else:
                await self._tell(read.event_id, problem)
        else:
            await self._tell(read.event_id, read.error)

    def _problem(self, event_id: str | None) -> GatewayError | None:
        if self._draining:
            return InternalError("The gateway is being stopped: connect again.", status=503, retry_after=1)
        if len(self._running) >= self._limits.requests:
            return Busy(f"This socket has {self._limits.requests} requests in flight, the most there may be.")
        if event_id is not None and any(caller.event_id == event_id for caller in self._running):
            return InvalidRequest(
                "A request with this `eventId` is in flight on this socket: give each its own.",
                code=messages.INVALID,
                param="eventId",
            )
        return None

    def _start(self, create: Create) -> None:
        caller = SocketCaller(
            create.event_id, self._frames.send, lambda: self._running.discard(caller), self._limits.answer_max_bytes
        )
        self._running.add(caller)
        task = self._begin(self._serve(create, caller))
        self._tasks[task] = caller
        task.add_done_callback(self._forget)

    async def _serve(self, create: Create, caller: SocketCaller) -> None:
        failure: GatewayError | None = None
        try:
            await self._answer(create, caller)
        except GatewayError as error:
            failure = error
        except Exception:
            logger.exception("a request on a WebSocket failed")
            failure = InternalError("The gateway failed. Its log says why.")
        await caller.finish(failure)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.discard(self._tasks.pop(task))
        if self._draining:
            self._close_if_drained()

    def _close_if_drained(self) -> None:
        if not self._tasks:
            self._frames.close(GOING_AWAY, "the gateway is being stopped")

    async def _tell(self, event_id: str | None, error: GatewayError) -> None:
        await self._frames.send(messages.refusal(event_id, error))
