"""One connection to an origin: writes a request, passes the bytes of its answer on, and watches the clock."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from isthmus.errors import UpstreamError
from isthmus.transport import faults
from isthmus.transport.exchange.answer import Answer
from isthmus.transport.exchange.decoder import Decoder
from isthmus.transport.exchange.stream import StreamedUpload
from isthmus.transport.exchange.timer import LazyTimer
from isthmus.transport.exchange.upload import SMALL_BYTES, Upload
from isthmus.transport.limits import TransportLimits
from isthmus.transport.protocol import Timeouts, UpstreamRequest


class Owner(Protocol):
    """The pool which a connection belongs to."""

    peer: str
    limits: TransportLimits

    def release(self, connection: Connection) -> None: ...

    def forget(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """Carries one request at a time. `closed`: it takes no further one. `lost`: its socket is gone.
    `used`: it has carried a request to its end before."""

    __slots__ = (
        "_answer",
        "_awaits_head",
        "_decoder",
        "_framing_bytes",
        "_loop",
        "_owner",
        "_timeouts",
        "_timer",
        "_transport",
        "_upload",
        "_write_paused",
        "closed",
        "lost",
        "used",
    )
    _transport: asyncio.Transport
    _timeouts: Timeouts

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._timer = LazyTimer(self._loop, self._expire)
        self._decoder = Decoder()
        self._answer: Answer | None = None
        self._upload: Upload | None = None
        self._awaits_head = False
        self._framing_bytes = 0  # since the request was sent, or since the last byte of content
        self._write_paused = self.closed = self.lost = self.used = False

    def start(self, request: UpstreamRequest, head: bytes) -> Answer:
        """Sends a request; `head` is what is written before its body."""
        answer = Answer(self, self._loop)
        if self.closed:
            answer.fail(faults.closed_early(self._owner.peer, untouched=True), stale=self.used)
            return answer
        self._answer = answer
        self._awaits_head = True
        self._framing_bytes = 0
        self._timeouts = request.timeouts
        self._decoder.expect(no_body=request.method == "HEAD")
        self._timer.set(request.timeouts.first_byte_seconds, look_after=self._owner.limits.idle_expiry_seconds)
        body = request.body
        if not isinstance(body, bytes):
            self._transport.write(head)
            self._upload = upload = StreamedUpload(
                self._transport, request.body_bytes, self._move_on, self._fail_upload
            )
            answer.uploading = upload.start(body)
        elif len(body) <= SMALL_BYTES:
            self._transport.write(head + body)
        else:
            self._upload = Upload(self._transport, body)
            self._transport.write(b"".join((head, self._upload.next_slice())))
            self._write_on()
        return answer

    def read_on(self) -> None:
        """The caller has caught up."""
        self._timer.set(self._timeouts.idle_seconds)
        self._transport.resume_reading()

    def abort(self) -> None:
        """Closes the socket at once, whatever goes on; whoever waits for an answer is told."""
        self.closed = True
        answer, self._answer = self._answer, None
        if answer is not None and answer.source is not None:
            answer.fail(faults.shut_down(), stale=False)
        self._end_upload()
        if not self.lost:
            self._transport.abort()

    # The event loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.abort()  # nobody asked for these bytes
            return
        decoder = self._decoder
        fault = decoder.decode(data)
        if not self._awaits_head:
            self._timer.push(self._timeouts.idle_seconds)
        elif not self._pass_head(answer, len(data), fault):
            return
        parts = decoder.parts
        if parts:
            self._framing_bytes = 0
            chunk = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            if not answer.wake(chunk):
                self._keep(answer, chunk)
        else:
            self._framing_bytes += len(data)
        if decoder.ended:
            self._finish(answer, clean=not fault)
        elif fault:
            self._fail(answer, faults.bad_body(self._owner.peer, fault))
        elif self._framing_bytes > self._owner.limits.max_head_bytes:
            self._fail(answer, faults.bad_body(self._owner.peer, "too many bytes without content"))

    def eof_received(self) -> None:
        self.closed = True
        answer = self._answer
        if answer is None:
            return
        if self._decoder.delimited_by_close():
            self._finish(answer, clean=False)
        else:
            self._fail_closed(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = self.lost = True
        self._read_saved()
        if self._answer is not None:
            self._fail_closed(self._answer)
        self._timer.stop()
        self._decoder.close()
        self._owner.forget(self)

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._restart_clock()
        if self._upload is not None:
            # Not from here: asyncio's transport closes twice over when a write fails in this callback.
            self._loop.call_soon(self._write_on)

    # The request.

    def _write_on(self) -> bool:
        """Writes while the socket has room. Whether all is written, and there is room for more."""
        while self._upload is not None and not self._write_paused:
            if not self._upload.write_slice():
                return not self._transport.is_closing()
        return False

    def _move_on(self) -> bool:
        self._restart_clock()
        return self._write_on()

    def _restart_clock(self) -> None:
        """The request moves on: from now on it is the provider who is silent, unless its answer waits to be read."""
        if self._answer is not None and not self._answer.paused:
            timeouts = self._timeouts
            self._timer.set(timeouts.first_byte_seconds if self._awaits_head else timeouts.idle_seconds)

    def _fail_upload(self, error: Exception) -> None:
        if self._answer is not None:
            self._answer.fail(error, stale=False)
        self.abort()

    def _read_saved(self) -> None:
        while self._upload is not None:
            data = self._upload.saved()
            if data:
                self.data_received(data)
            elif data is not None:
                self.eof_received()
            else:
                return

    def _end_upload(self) -> None:
        if self._upload is not None:
            self._upload.close()
            self._upload = None

    # The answer.

    def _pass_head(self, answer: Answer, new_bytes: int, fault: str) -> bool:
        """Tells the caller of a complete head, and whether it is one."""
        decoder, limits, peer = self._decoder, self._owner.limits, self._owner.peer
        self._framing_bytes += new_bytes
        large = self._framing_bytes > limits.max_head_bytes and decoder.head_exceeds(limits.max_head_bytes)
        if large or len(decoder.headers) > limits.max_header_count:
            self._fail(answer, faults.large_head(peer))
        elif decoder.status:
            self._awaits_head = False
            self._timer.set(self._timeouts.idle_seconds)
            answer.status = decoder.status
            answer.headers = decoder.headers
            answer.wake(b"")
            return True
        elif fault:
            self._fail(answer, faults.bad_head(peer, fault))
        return False

    def _keep(self, answer: Answer, chunk: bytes) -> None:
        answer.unread.append(chunk)
        answer.unread_bytes += len(chunk)
        if answer.unread_bytes > self._owner.limits.high_water_bytes and not self._decoder.ended and not self.closed:
            answer.paused = True
            self._timer.suspend()  # the silence is ours
            self._transport.pause_reading()

    def _finish(self, answer: Answer, *, clean: bool) -> None:
        """The answer is whole. The connection may be used again if nothing is left over in either direction."""
        uploaded = not self._write_paused and (self._upload is None or self._upload.done)
        answer.ended = True
        answer.source = None
        answer.wake(b"")
        if clean and uploaded and self._decoder.keep_alive and not self.closed:
            self._answer = None
            self._end_upload()
            self.used = True
            self._timer.set(self._owner.limits.idle_expiry_seconds)
            self._owner.release(self)
        else:
            self.abort()

    def _fail_closed(self, answer: Answer) -> None:
        peer = self._owner.peer
        if not self._awaits_head:
            self._fail(answer, faults.cut_short(peer))
        else:
            untouched = not self._framing_bytes
            self._fail(answer, faults.closed_early(peer, untouched=untouched), stale=untouched and self.used)

    def _fail(self, answer: Answer, error: UpstreamError, *, stale: bool = False) -> None:
        if self._upload is not None and not self._upload.repeatable:
            faults.final(error)
        answer.fail(error, stale=stale)
        self.abort()

    def _expire(self) -> None:
        answer, peer, timeouts = self._answer, self._owner.peer, self._timeouts
        if answer is None:
            self.abort()  # nobody has needed this connection for a while
        elif self._upload is not None and self._upload.waits_for_caller:
            pass  # the next piece restarts the clock
        elif not self._awaits_head:
            self._fail(answer, faults.idle_timeout(peer, timeouts.idle_seconds))
        elif self._write_paused:
            self._fail(answer, faults.upload_timeout(peer, timeouts.first_byte_seconds))
        else:
            self._fail(answer, faults.first_byte_timeout(peer, timeouts.first_byte_seconds))
