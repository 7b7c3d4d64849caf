"""Puts an answer on the wire, faults and all: what is said is decided elsewhere, here only how, when and how much of
it arrives.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import msgspec

from isthmus.simulator.connection import Connection
from isthmus.simulator.exchange import Answer
from isthmus.simulator.faults import Fault
from isthmus.simulator.recorded import RecordedRequest

_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head>\n<body><h1>Checking your connection</h1>"
    b"</body></html>\n"
)
_LAST_CHUNK = b"0\r\n\r\n"
_OVERPROMISED_BYTES = 64
_OVERLOADED = 529
_WRITE_BYTES = 64 * 1024


async def deliver(connection: Connection, request: RecordedRequest, answer: Answer, fault: Fault) -> None:
    answer = distorted(answer, fault)
    request.status = answer.status
    if fault.slow_first_byte_ms and await _left_within(connection, fault.slow_first_byte_ms):
        return
    if fault.kind == "reset" or fault.kind == "close":
        request.answered.set()
        connection.reset() if fault.kind == "reset" else connection.close()
        return
    delivery = _Delivery(connection, request, answer, fault)
    if delivery.ends_at is None and not fault.delay_ms and not fault.chunk_bytes:
        await delivery.at_once()
    else:
        await delivery.step_by_step()


def distorted(answer: Answer, fault: Fault) -> Answer:
    """The answer with its content spoiled; a provider's error answer is left alone."""
    if answer.status != HTTPStatus.OK:
        return answer
    if fault.kind == "wrong_content_type":
        return Answer(headers=(("content-type", "text/html; charset=UTF-8"),), body=_HTML)
    if fault.kind == "empty_body":
        return msgspec.structs.replace(answer, body=b"", events=None)
    if fault.kind != "malformed_json":
        return answer
    if answer.events is None:
        return msgspec.structs.replace(answer, body=answer.body[: len(answer.body) * 2 // 3])
    middle = len(answer.events) // 2
    broken = (answer.cut_json or _cut_json)(answer.events[middle])
    return msgspec.structs.replace(answer, events=(*answer.events[:middle], broken, *answer.events[middle + 1 :]))


def _cut_json(event: bytes) -> bytes:
    said = event.rstrip(b"\r\n")
    return said.removesuffix(b"}") + event[len(said) :]


async def _left_within(connection: Connection, milliseconds: int) -> bool:
    """Waits that long, or until the other side has gone."""
    try:
        async with asyncio.timeout(milliseconds / 1000):
            await connection.left.wait()
    except TimeoutError:
        return False
    return True


class _Delivery:
    """`ends_at` is the part at which a fault ends it; None if it arrives complete."""

    def __init__(self, connection: Connection, request: RecordedRequest, answer: Answer, fault: Fault) -> None:
        self._connection = connection
        self._request = request
        self._fault = fault
        self._streamed = answer.events is not None
        half = len(answer.body) // 2
        self._parts = answer.events if answer.events is not None else (answer.body[:half], answer.body[half:])
        if request.method == "HEAD":
            self._parts = ()
        self._head = self._write_head(answer)
        self.ends_at = self._end()

    def _write_head(self, answer: Answer) -> bytes:
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if self._streamed:
            lines.append("transfer-encoding: chunked")
        else:
            extra = _OVERPROMISED_BYTES if self._fault.kind == "truncated" else 0
            lines.append(f"content-length: {len(answer.body) + extra}")
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    def _end(self) -> int | None:
        fault = self._fault
        for after in (fault.stall_after, fault.cut_after, fault.reset_after):
            if after is not None:
                return min(after, max(0, len(self._parts) - 1))
        return len(self._parts) if fault.kind == "truncated" else None

    def _framed(self, part: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(part), part) if self._streamed and part else part

    async def at_once(self) -> None:
        """The whole answer in as few writes as may be: no fault and no pace was asked for."""
        framed = [self._head, *map(self._framed, self._parts)]
        if self._streamed:
            framed.append(_LAST_CHUNK)
        data = b"".join(framed)
        for start in range(0, len(data), _WRITE_BYTES):
            self._connection.write(data[start : start + _WRITE_BYTES])
            await self._connection.drain()
        self._finish(len(self._parts))

    async def step_by_step(self) -> None:
        self._connection.write(self._head)
        parts = self._parts[: self.ends_at]
        if self._fault.chunk_bytes:
            parts = _resliced(b"".join(parts), self._fault.chunk_bytes)
        for index, part in enumerate(parts):
            if index and self._fault.delay_ms and await _left_within(self._connection, self._fault.delay_ms):
                return
            self._connection.write(self._framed(part))
            await self._connection.drain()
            if self._connection.left.is_set():
                return
            if not self._fault.chunk_bytes:
                self._request.events_sent = index + 1
        if self.ends_at is not None:
            await self._break_off(self.ends_at)
            return
        if self._streamed:
            self._connection.write(_LAST_CHUNK)
            await self._connection.drain()
        self._finish(len(self._parts))

    def _finish(self, events: int) -> None:
        if not self._connection.left.is_set():
            self._request.events_sent = events
            self._request.answered.set()

    async def _break_off(self, index: int) -> None:
        if self._fault.stall_after is not None:
            await self._connection.left.wait()
            return
        if self._fault.cut_after is not None and self._parts:
            part = self._parts[index]
            self._connection.write(self._framed(part[: len(part) // 2]))
        await self._connection.drain()
        self._finish(index)
        if self._fault.reset_after is not None:
            await asyncio.sleep(0)  # a turn of the loop: what was written must be out before the reset
            self._connection.reset()
        else:
            self._connection.close()


def _resliced(data: bytes, length: int) -> tuple[bytes, ...]:
    return tuple(data[start : start + length] for start in range(0, len(data), length))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == _OVERLOADED else "Refused"
