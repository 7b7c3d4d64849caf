"""One request at a time on one connection: is the answer right, how large is it, when does its first word arrive."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator

import msgspec

from bench import answers
from bench.rows import CACHE_STATUS, LIMIT, Dialect, Kind, Row
from bench.systems.server import BenchError

_TIMEOUT_SECONDS = 10
_READ_BYTES = 65536
_MOST_ANSWER_BYTES = 1 << 20
_SHOWN_BYTES = 400
_FIRST_WORD = answers.FIRST_WORD.encode()
_NUMBER = answers.NUMBER.encode()


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `first_word_seconds` counts from just before the request was written; 0: it never came."""

    status: int
    headers: dict[str, str]
    body: bytes
    wire_bytes: int
    first_word_seconds: float


class Caller:
    """A keep-alive connection that asks a row's question."""

    def __init__(self, row: Row) -> None:
        head = [f"POST {row.path} HTTP/1.1", f"Host: 127.0.0.1:{row.server.port}", "Content-Type: application/json"]
        head += [f"{name}: {value}" for name, value in row.headers.items()]
        head += [f"Content-Length: {len(row.body)}", "", ""]
        self._request = "\r\n".join(head).encode() + row.body
        self._differs = row.differs
        self._connection = socket.create_connection(("127.0.0.1", row.server.port), _TIMEOUT_SECONDS)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> Exchange:
        received, first_word_seconds = b"", 0.0
        request = self._request
        if self._differs:
            request = request.replace(_NUMBER, b"%0*d" % (len(_NUMBER), time.time_ns() // 1000))
        started = time.perf_counter()
        self._connection.sendall(request)
        while not _is_whole(received):
            got = self._connection.recv(_READ_BYTES)
            if not got or len(received) > _MOST_ANSWER_BYTES:
                raise BenchError(f"the answer was cut short or has no end: {received[:_SHOWN_BYTES]!r}")
            received += got
            if not first_word_seconds and _FIRST_WORD in received:
                first_word_seconds = time.perf_counter() - started
        return _parse(received, first_word_seconds)

    def close(self) -> None:
        self._connection.close()


def check(row: Row) -> int:
    """Asks twice and judges the second answer. Returns its size on the wire, which wrk's count must agree with."""
    caller = Caller(row)
    try:
        caller.ask()
        answer = caller.ask()
    finally:
        caller.close()
    _judge(row, answer)
    return answer.wire_bytes


def check_again(row: Row) -> None:
    """Asks once: whether the answer is still what it was before the load."""
    caller = Caller(row)
    try:
        _judge(row, caller.ask())
    finally:
        caller.close()


def _judge(row: Row, answer: Exchange) -> None:
    shown = answer.body[:_SHOWN_BYTES].decode(errors="replace")
    if answer.status != 200:
        raise BenchError(f"status {answer.status}: {shown}")
    if _text(row, answer.body) != answers.TEXT:
        raise BenchError(f"the answer does not carry the upstream's text: {shown}")
    told = {name: answer.headers[name] for name in (CACHE_STATUS, LIMIT) if name in answer.headers}
    if told != row.tells:
        raise BenchError(f"the answer tells {told}, not {row.tells}")


def first_word_seconds(row: Row, count: int) -> float:
    """Median time to the first word of the text."""
    caller = Caller(row)
    try:
        times = [caller.ask().first_word_seconds for _ in range(count)]
    finally:
        caller.close()
    if not all(times):
        raise BenchError("a stream went by without its first word")
    return statistics.median(times)


def _is_whole(received: bytes) -> bool:
    head, blank, body = received.partition(b"\r\n\r\n")
    if not blank:
        return False
    headers = _headers(head)
    if "content-length" in headers:
        return len(body) >= int(headers["content-length"])
    return body.endswith(b"\r\n0\r\n\r\n")


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in pairs}


def _parse(received: bytes, first_word_seconds: float) -> Exchange:
    head, _, body = received.partition(b"\r\n\r\n")
    headers = _headers(head)
    return Exchange(
        status=int(head.split(b" ", 2)[1]),
        headers=headers,
        body=body if "content-length" in headers else b"".join(_chunks(body)),
        wire_bytes=len(received),
        first_word_seconds=first_word_seconds,
    )


def _chunks(body: bytes) -> Iterator[bytes]:
    at = 0
    while True:
        line_end = body.index(b"\r\n", at)
        size = int(body[at:line_end].split(b";")[0], 16)
        if not size:
            return
        yield body[line_end + 2 : line_end + 2 + size]
        at = line_end + 2 + size + 2


def _text(row: Row, body: bytes) -> str:
    """The text that the answer carries, "" when a stream does not end as its dialect says."""
    if row.kind is Kind.JSON:
        whole_answer = msgspec.json.decode(body)
        if row.dialect is Dialect.MESSAGES:
            return str(whole_answer["content"][0]["text"])
        return str(whole_answer["choices"][0]["message"]["content"])
    data = [line.removeprefix(b"data:").strip() for line in body.splitlines() if line.startswith(b"data:")]
    if row.dialect is Dialect.MESSAGES:
        events = [msgspec.json.decode(event) for event in data]
        whole = bool(events) and events[-1]["type"] == "message_stop"
        pieces = (event.get("delta", {}).get("text", "") for event in events)
    else:
        whole = bool(data) and data.pop() == b"[DONE]"
        choices = (choice for event in data for choice in msgspec.json.decode(event)["choices"])
        pieces = (choice["delta"].get("content") or "" for choice in choices)
    return "".join(pieces) if whole else ""
