"""ASGI to `Call`: finds the endpoint, reads the head, sets up how the body will be read, and hands the call on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qsl

from isthmus.core.call import NO_OPTIONS, NOWHERE, Call
from isthmus.core.ids import uuid7
from isthmus.core.refusal import cut_short, refuse
from isthmus.core.reply import Headers
from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import Handler
from isthmus.data_plane.egress import Egress
from isthmus.data_plane.gateway_host.universal import Given
from isthmus.data_plane.gateway_host.websocket.handshake import asks_for_socket, show_token
from isthmus.data_plane.gateway_host.websocket.messages import Create
from isthmus.data_plane.gateway_host.websocket.session import Session, SocketLimits
from isthmus.data_plane.incoming import IncomingBody, IngressLimits, Receive
from isthmus.data_plane.options.headers import read_options, set_options
from isthmus.data_plane.routes import POST, UNIVERSAL, UNKNOWN, WEBSOCKET, find, find_older
from isthmus.data_plane.send import BrokenOff, Caller, head
from isthmus.data_plane.server import Successor
from isthmus.errors import Busy, GatewayError, MethodNotAllowed, NotFound

Scope = MutableMapping[str, Any]


class Connection(Caller, Protocol):
    """The caller's connection (`server.CallerProtocol`): cancels `call` when the caller leaves, knows whether all of
    the request is here, and takes the answer."""

    call: Call | None

    async def stop(self, status: int, headers: Headers, body: bytes) -> None:
        """Answers where nothing has gone out yet, and closes."""
        ...

    def break_off(self) -> None:
        """Closes in the middle of an answer, with what of it is on its way."""
        ...

    @property
    def request_complete(self) -> bool: ...


class Upgradable(Connection, Protocol):
    """One that can become something else than HTTP."""

    def hand_over(self, successor: Successor, head: bytes) -> None: ...

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...


class DataPlane:
    """The ASGI application of `routes`. `handlers` by `Endpoint.handler`."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        egress: Egress,
        current: Callable[[], Snapshot],
        limits: IngressLimits,
        sockets: SocketLimits,
    ) -> None:
        self._sockets = sockets
        self._handlers = handlers
        self._egress = egress
        self._current = current
        self._limits = limits
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: object) -> None:
        connection: Upgradable = scope["connection"]
        call, problem = self._call(scope)
        if problem is None:
            call.incoming = IncomingBody(call, connection, receive, self._limits)
        if call.endpoint is WEBSOCKET:
            await self._open(call, connection, problem)
        else:
            await self._serve(call, connection, problem)

    async def _serve(self, call: Call, connection: Connection, problem: GatewayError | None) -> None:
        connection.call = call
        self._running += 1
        try:
            if problem is None:
                await self._answer(call, connection)
            else:
                await self._egress.deliver(call, refuse(call, problem), connection)
        except asyncio.CancelledError:
            # A call that outlives the drain says so; a stream that has begun can only break off.
            if not call.hung_up:
                refusal = refuse(call, cut_short(call))
                await connection.stop(refusal.status, head(call, refusal), refusal.body or b"")
        finally:
            self._running -= 1
            connection.call = None

    async def _answer(self, call: Call, caller: Connection) -> None:
        try:
            reply = await self._handlers[call.endpoint.handler](call)
        except GatewayError as error:
            reply = refuse(call, error)
        try:
            await self._egress.deliver(call, reply, caller)
        except BrokenOff:
            caller.break_off()

    async def _open(self, call: Call, connection: Upgradable, problem: GatewayError | None) -> None:
        """A WebSocket: its handshake is refused as any call is, and leaves no row; then it is served to its end."""
        from isthmus.data_plane.gateway_host.websocket.frames import SocketFrames, accept  # late: only sockets need it

        subprotocol = show_token(call)
        connection.call = call
        self._running += 1
        try:
            try:
                if problem is not None:
                    raise problem
                await self._handlers[call.endpoint.handler](call)
                opening = accept(call.path, call.lines, subprotocol)
            except GatewayError as error:
                await self._egress.deliver(call, refuse(call, error), connection)
                return
            frames = SocketFrames(self._sockets)
            connection.hand_over(frames, opening)
            await Session(frames, partial(self._ask, call), connection.begin, self._sockets).run()
        except asyncio.CancelledError:
            if not call.hung_up:
                refusal = refuse(call, cut_short(call))
                await connection.stop(refusal.status, head(call, refusal), refusal.body or b"")
        finally:
            self._running -= 1
            connection.call = None

    async def _ask(self, handshake: Call, create: Create, caller: Connection) -> None:
        """One message of a socket: a call of its own, with the handshake's headers, to the universal endpoint."""
        headers = dict(handshake.headers)
        headers.pop(b"cf-aig-event-id", None)
        if create.event_id is not None:
            headers[b"cf-aig-event-id"] = create.event_id.encode()
        address = handshake.address
        assert address.endpoint is not None
        call = Call(uuid7(), address.endpoint, address.account_id, handshake.path, headers, self._current())
        call.address = address
        call.incoming = Given(create.request)
        _read_options(call)
        await self._serve(call, caller, self._busy())

    def _busy(self) -> Busy | None:
        if self._running < self._limits.concurrent_calls:
            return None
        return Busy("Capacity temporarily exceeded, please try again.", retry_after=1)

    def _call(self, scope: Scope) -> tuple[Call, GatewayError | None]:
        path: str = scope["path"]
        address = find(path) or find_older(scope["raw_path"].decode("latin-1")) or NOWHERE
        endpoint = address.endpoint
        if endpoint is UNIVERSAL and asks_for_socket(scope["method"], scope["headers"]):
            endpoint = WEBSOCKET
        problem: GatewayError | None = None
        if endpoint is None:
            problem = NotFound("No route for that URI. " + _MENU)
        elif endpoint.methods and scope["method"] not in endpoint.methods:
            allowed = ", ".join(endpoint.methods)
            problem = MethodNotAllowed(f"{scope['method']} not supported for requested URI.", allow=allowed)
        else:
            problem = self._busy()
        speaker = endpoint or address.otherwise or UNKNOWN
        call = Call(uuid7(), speaker, address.account_id, path, dict(scope["headers"]), self._current())
        call.address = address
        call.method = scope["method"]
        call.query = scope["query_string"]
        call.lines = scope["headers"]
        if call.query and (speaker.dialect == "gemini" or address.provider == GOOGLE_AI_STUDIO):
            _read_key(call)
        _read_options(call)
        return call, problem


def _read_options(call: Call) -> None:
    options = read_options(call.headers)
    if options is not NO_OPTIONS:
        set_options(call, options)


def _read_key(call: Call) -> None:
    """Google's callers may show their key in the query."""
    key = dict(parse_qsl(call.query.decode("latin-1"))).get("key")
    if key is not None:
        call.headers.setdefault(b"x-goog-api-key", key.encode())


GOOGLE_AI_STUDIO = "google-ai-studio"
_MENU = "The gateway answers POST at " + ", ".join(f"…/ai/{path}" for path in POST if "v1/v1" not in path) + "."
