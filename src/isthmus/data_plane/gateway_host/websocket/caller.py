"""Who asked by a message and waits for messages: an answer's head and bytes come here as they would go to HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from isthmus.core.call import Call
from isthmus.core.refusal import cut_short
from isthmus.core.reply import Headers
from isthmus.data_plane.gateway_host.websocket import messages
from isthmus.errors import GatewayError, Malformed
from isthmus.wire.framing.sse import ServerSentEvents


class SocketCaller:
    """One request's; a `Connection`. Waits while the socket is read more slowly than it is given. An event stream goes
    on event by event; all else is gathered up to `answer_max_bytes`, since a message holds it whole. `ended` is called
    before the last message goes out: the caller may use its event id again once it has that."""

    def __init__(
        self,
        event_id: str | None,
        send: Callable[[bytes], Awaitable[None]],
        ended: Callable[[], None],
        answer_max_bytes: int,
    ) -> None:
        self.call: Call | None = None
        self.event_id = event_id
        self._send = send
        self._ended = ended
        self._most = answer_max_bytes
        self._metadata: dict[str, Any] | None = None
        self._events: ServerSentEvents | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._over = False

    @property
    def request_complete(self) -> bool:
        return True

    async def respond(self, status: int, headers: Headers, body: bytes, more_body: bool = False) -> None:
        self._metadata = messages.metadata_of(self._named, status, headers)
        if not more_body:
            await self._end(messages.whole(self._metadata, body))
            return
        if _is_stream(self._metadata):
            self._events = ServerSentEvents()
            await self._send(messages.begun(self._metadata))
        await self.pass_on(body)

    async def pass_on(self, body: bytes, more_body: bool = True) -> None:
        """Raises `Malformed` where a message cannot hold what comes."""
        if self._over:
            return
        if self._events is None:
            await self._gather(body, more_body)
            return
        for message in messages.pieces(self._named, self._read(self._events, body, more_body)):
            await self._send(message)
        if not more_body:
            assert self._metadata is not None
            await self._end(messages.done(self._metadata))

    async def stop(self, status: int, headers: Headers, body: bytes) -> None:
        """The end of a call that was cancelled."""
        if self._metadata is None:
            await self.respond(status, headers, body)
        else:
            await self.finish()

    def break_off(self) -> None:
        """An answer ends in its middle; `finish` says so."""

    async def finish(self, error: GatewayError | None = None) -> None:
        """Where nothing has said the end of the answer so far: that it failed."""
        if self._over:
            return
        call = self.call
        if error is None:
            error = Malformed("The answer was broken off.") if call is None else call.error or cut_short(call)
        if self._events is None:
            await self._end(messages.refusal(self._named, error, self._metadata))
            return
        assert self._metadata is not None
        await self._send(messages.failed(self._named, error))
        await self._end(messages.done(self._metadata))

    @property
    def _named(self) -> str | None:
        """A caller that named no event is told of the one that its row has."""
        return self.event_id or (None if self.call is None else self.call.id)

    async def _gather(self, body: bytes, more_body: bool) -> None:
        self._size += len(body)
        if self._size > self._most:
            self._parts = []
            raise Malformed(f"The answer is over {self._most} bytes, the most that a message of this socket takes.")
        self._parts.append(body)
        if not more_body:
            assert self._metadata is not None
            await self._end(messages.whole(self._metadata, b"".join(self._parts)))

    def _read(self, events: ServerSentEvents, body: bytes, more_body: bool) -> list[tuple[bytes, bytes]]:
        try:
            read = events.feed(body)
        except GatewayError:
            self._events = ServerSentEvents()  # an error that follows is an event of its own
            raise
        return read if more_body else read + events.close()

    async def _end(self, message: bytes) -> None:
        self._over = True
        self._ended()
        await self._send(message)


def _is_stream(metadata: dict[str, Any]) -> bool:
    kind = str(metadata.get("contentType", "")).partition(";")[0].strip().lower()
    return kind == messages.EVENT_STREAM and metadata.get("contentEncoding", "identity") == "identity"
