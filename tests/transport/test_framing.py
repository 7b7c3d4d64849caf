"""Every shape of an answer, fed to a connection whole, byte by byte and cut in two at each place."""

import asyncio
from dataclasses import dataclass, field

import pytest

from isthmus.errors import Interrupted, Malformed, Unavailable, UpstreamError
from isthmus.transport.exchange.connection import Connection
from isthmus.transport.limits import TransportLimits
from isthmus.transport.protocol import UpstreamRequest

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])  # there is no socket here: one loop is enough

OK = b"HTTP/1.1 200 OK\r\n"


class Pipe(asyncio.Transport):
    """A socket that only remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


@dataclass
class Bench:
    """Owns one connection."""

    peer: str = "provider.example:443"
    limits: TransportLimits = field(default_factory=TransportLimits)
    released: int = 0

    def release(self, connection: Connection) -> None:
        self.released += 1

    def forget(self, connection: Connection) -> None:
        pass


@dataclass
class Outcome:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    complete: bool
    error: UpstreamError | None
    reusable: bool


async def play(
    parts: list[bytes], *, method: str = "GET", end: str = "", limits: TransportLimits | None = None
) -> Outcome:
    """What comes of an answer in these parts, then perhaps a FIN or a reset."""
    bench = Bench(limits=limits or TransportLimits())
    connection, pipe = Connection(bench), Pipe()
    connection.connection_made(pipe)
    answer = connection.start(UpstreamRequest(method=method, url="http://provider.example/"), b"")
    for part in parts:
        if pipe.aborted:
            break
        connection.data_received(part)
    if end == "fin":
        connection.eof_received()
    reusable = bench.released == 1 and not pipe.aborted
    connection.connection_lost(ConnectionResetError() if end == "reset" else None)
    assert connection._timer._handle is None
    body, error = b"", answer.error if not answer.status else None
    if error is None:
        try:
            body = b"".join([chunk async for chunk in answer.chunks()])
        except UpstreamError as raised:
            error = raised
    assert answer.complete is (error is None)
    return Outcome(answer.status, answer.headers, body, answer.complete, error, reusable)


def cuts(data: bytes) -> list[list[bytes]]:
    """Whole, byte by byte, and in two at each place."""
    bytewise = [data[at : at + 1] for at in range(len(data))]
    return [[data], bytewise, *([data[:at], data[at:]] for at in range(1, len(data)))]


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH_2 = b"Content-Length: 2\r\n\r\nok"
SOUND = {
    "content-length": (OK + b"Content-Length: 5\r\n\r\nhello", 200, b"hello", True),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "chunked": (CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, b"hello", True),
    "extension and trailer": (CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", 200, b"hello", True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"", True),
    "204 with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b"", True),
    "204 in chunks": (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, b"", True),
    "304 in chunks": (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304, b"", True),
    "100 with a length": (b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + OK + LENGTH_2, 200, b"ok", True),
    "103 in chunks": (
        b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + OK + LENGTH_2,
        200,
        b"ok",
        True,
    ),
    "empty reason": (b"HTTP/1.1 529 \r\n" + LENGTH_2, 529, b"ok", True),
    "no reason": (b"HTTP/1.1 429\r\n" + LENGTH_2, 429, b"ok", True),
    "100": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH_2, 200, b"ok", True),
    "103 twice": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + OK + LENGTH_2, 200, b"ok", True),
    "104": (b"HTTP/1.1 104 New\r\n\r\n" + OK + LENGTH_2, 200, b"ok", True),
    "connection: close": (OK + b"Connection: close\r\n" + LENGTH_2, 200, b"ok", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n" + LENGTH_2, 200, b"ok", False),
    "HTTP/1.0 keep-alive": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + LENGTH_2, 200, b"ok", True),
    "upgrade offered": (OK + b"Upgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive\r\n" + LENGTH_2, 200, b"ok", True),
}


@pytest.mark.parametrize("name", SOUND)
async def test_sound_answer(name: str) -> None:
    data, status, body, reusable = SOUND[name]
    for parts in cuts(data):
        outcome = await play(parts)
        assert outcome.error is None
        assert (outcome.status, outcome.body, outcome.reusable) == (status, body, reusable), parts


async def test_headers_are_given_in_order_with_lower_case_names() -> None:
    data = OK + b"Set-Cookie: a\r\nX-Empty:\r\nSET-COOKIE: \tb \t\r\nContent-Length: 0\r\n\r\n"
    expected = ((b"set-cookie", b"a"), (b"x-empty", b""), (b"set-cookie", b"b"), (b"content-length", b"0"))
    for parts in cuts(data):
        assert (await play(parts)).headers == expected


async def test_interim_headers_do_not_reach_the_answer() -> None:
    outcome = await play([b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"])
    assert outcome.headers == ((b"content-length", b"0"),)


async def test_trailers_do_not_reach_the_headers() -> None:
    outcome = await play([CHUNKED + b"0\r\nX-Sum: 1\r\n\r\n"])
    assert outcome.headers == ((b"transfer-encoding", b"chunked"),)


async def test_body_ends_with_the_connection() -> None:
    data = OK + b"Content-Type: text/plain\r\n\r\nhello"
    for parts in cuts(data):
        outcome = await play(parts, end="fin")
        assert (outcome.body, outcome.error, outcome.reusable) == (b"hello", None, False)
    reset = await play([data], end="reset")
    assert reset.body == b"" and isinstance(reset.error, Interrupted)


HEADS = {
    "length": (OK + b"Content-Length: 5000\r\n\r\n", 200, True),
    "chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n", 200, True),
    "unasked coding": (OK + b"Transfer-Encoding: gzip\r\n\r\n", 200, False),
    "neither": (OK + b"X-A: b\r\n\r\n", 200, False),
    "connection: close": (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\n", 200, False),
    "404": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n", 404, True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, True),
    "after 103": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\n", 200, True),
}


@pytest.mark.parametrize("name", HEADS)
async def test_head_method_has_no_body_whatever_its_length(name: str) -> None:
    data, status, reusable = HEADS[name]
    for parts in cuts(data):
        outcome = await play(parts, method="HEAD")
        assert (outcome.status, outcome.body, outcome.error) == (status, b"", None)
        assert outcome.reusable is reusable, parts
    for surplus in (b"s", b"surplus", b"\r\n", b"surplus\r\n\r\n", OK + b"\r\n"):
        with_body = await play([data + surplus], method="HEAD")
        assert (with_body.body, with_body.error, with_body.reusable) == (b"", None, False), surplus


async def test_other_methods_after_head_have_their_bodies() -> None:
    bench, pipe = Bench(), Pipe()
    connection = Connection(bench)
    connection.connection_made(pipe)
    for method, body in [("HEAD", b""), ("HEAD", b""), ("GET", b"hello"), ("HEAD", b""), ("POST", b"hello")]:
        answer = connection.start(UpstreamRequest(method=method, url="http://provider.example/"), b"")
        connection.data_received(OK + b"Content-Length: 5\r\n\r\n" + body)
        assert b"".join([chunk async for chunk in answer.chunks()]) == body
    assert bench.released == 5 and not pipe.aborted
    connection.connection_lost(None)


@pytest.mark.parametrize("name", ["html", "folded header", "NUL in a header", "status 42", "unasked upgrade"])
async def test_nonsense_to_head_is_malformed(name: str) -> None:
    for parts in cuts(NONSENSE[name]):
        outcome = await play(parts, method="HEAD")
        assert isinstance(outcome.error, Malformed) and outcome.status == 0


CUT_SHORT = {
    "length": OK + b"Content-Length: 6\r\n\r\nhello",
    "chunk data": CHUNKED + b"6\r\nhello",
    "between chunks": CHUNKED + b"5\r\nhello\r\n",
    "before the last line break": CHUNKED + b"5\r\nhello\r\n0\r\n",
}


@pytest.mark.parametrize("end", ["fin", "reset"])
@pytest.mark.parametrize("name", CUT_SHORT)
async def test_body_cut_short_is_interrupted(name: str, end: str) -> None:
    for parts in cuts(CUT_SHORT[name]):
        outcome = await play(parts, end=end)
        assert isinstance(outcome.error, Interrupted) and not outcome.error.retryable
        assert outcome.status == 200 and not outcome.reusable


async def test_what_came_before_an_interruption_is_handed_out() -> None:
    bench = Bench()
    connection = Connection(bench)
    connection.connection_made(Pipe())
    answer = connection.start(UpstreamRequest(method="GET", url="http://provider.example/"), b"")
    connection.data_received(CHUNKED + b"5\r\nhello\r\n")
    connection.eof_received()
    chunks = answer.chunks()
    assert await anext(chunks) == b"hello"
    assert not answer.complete
    with pytest.raises(Interrupted):
        await anext(chunks)
    connection.connection_lost(None)


@pytest.mark.parametrize("end", ["fin", "reset"])
async def test_end_before_the_head_is_unavailable(end: str) -> None:
    data = OK + b"Content-Length: 6\r\n"
    for at in range(len(data)):
        outcome = await play([data[:at]] if at else [], end=end)
        assert isinstance(outcome.error, Unavailable) and outcome.error.retryable


NONSENSE = {
    "html": b"<html><body>502</body></html>",
    "tls alert": b"\x15\x03\x01\x00\x02\x02\x46 and more of it, and more still",
    "HTTP/2 preface": b"HTTP/2 200 OK\r\n\r\n",
    "both lengths": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "both, the other way": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "unasked coding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "unasked upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "status 42": b"HTTP/1.1 042 What\r\nContent-Length: 0\r\n\r\n",
    "folded header": OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "NUL in a header": OK + b"A: b\0c\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_head_that_is_none_is_malformed(name: str) -> None:
    for parts in cuts(NONSENSE[name]):
        outcome = await play(parts)
        assert isinstance(outcome.error, Malformed) and outcome.error.retryable
        assert outcome.status == 0 and not outcome.reusable


async def test_broken_chunk_is_malformed_and_too_late_to_retry() -> None:
    for parts in cuts(CHUNKED + b"5\r\nhelloXX\r\n"):
        outcome = await play(parts)
        assert isinstance(outcome.error, Malformed) and not outcome.error.retryable
        assert outcome.status == 200 and not outcome.reusable


@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1", OK, OK + b"Content-Length: 3\r\n\r\nbad", b"\0" * 50])
async def test_bytes_after_the_end_spoil_the_connection_but_not_the_answer(surplus: bytes) -> None:
    for answer in (OK + b"Content-Length: 5\r\n\r\nhello", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"):
        for parts in ([answer + surplus], [answer[:-1], answer[-1:] + surplus]):
            outcome = await play(parts)
            assert (outcome.body, outcome.error, outcome.reusable) == (b"hello", None, False)


async def test_bytes_on_an_idle_connection_close_it() -> None:
    connection, pipe = Connection(Bench()), Pipe()
    connection.connection_made(pipe)
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    assert pipe.aborted and connection.closed
    connection.connection_lost(None)


SMALL = TransportLimits(max_head_bytes=200, max_header_count=5)


@pytest.mark.parametrize(
    "head",
    [
        OK + b"X-Long: " + b"x" * 200 + b"\r\nContent-Length: 0\r\n\r\n",
        OK + b"X-Endless: " + b"x" * 300,
        OK + b"X-%d: y\r\n" * 6 % (1, 2, 3, 4, 5, 6) + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 9,
    ],
    ids=["long header", "endless header", "many headers", "endless interim answers"],
)
async def test_head_has_limits(head: bytes) -> None:
    for parts in cuts(head):
        outcome = await play(parts, limits=SMALL)
        assert isinstance(outcome.error, Malformed) and outcome.status == 0


async def test_large_body_in_the_same_read_does_not_count_as_head() -> None:
    outcome = await play([OK + b"Content-Length: 900\r\n\r\n" + b"x" * 900], limits=SMALL)
    assert outcome.body == b"x" * 900


@pytest.mark.parametrize("endless", [b"5;ext=" + b"x" * 500, b"0\r\nX-Trailer: " + b"x" * 500])
async def test_framing_without_content_has_a_limit(endless: bytes) -> None:
    parts = [CHUNKED + b"1\r\na\r\n", *(endless[at : at + 50] for at in range(0, len(endless), 50))]
    outcome = await play(parts, limits=SMALL)
    assert isinstance(outcome.error, Malformed) and not outcome.error.retryable


async def test_slow_drip_of_small_chunks_is_no_framing_flood() -> None:
    data = CHUNKED + b"1\r\na\r\n" * 100 + b"0\r\n\r\n"
    outcome = await play([data[at : at + 1] for at in range(len(data))], limits=SMALL)
    assert outcome.body == b"a" * 100


async def test_unread_bytes_pause_reading_until_they_are_taken() -> None:
    connection, pipe = Connection(Bench(limits=TransportLimits(high_water_bytes=10))), Pipe()
    connection.connection_made(pipe)
    answer = connection.start(UpstreamRequest(method="GET", url="http://provider.example/"), b"")
    connection.data_received(OK + b"Content-Length: 30\r\n\r\n" + b"x" * 10)
    assert pipe.reading
    connection.data_received(b"y")
    assert not pipe.reading
    assert await anext(answer.chunks()) == b"x" * 10 + b"y"  # what waited comes joined
    assert pipe.reading
    connection.data_received(b"z" * 19)
    assert pipe.reading  # at the end there is nothing left to hold back
    assert await anext(answer.chunks()) == b"z" * 19
    assert answer.complete
    connection.connection_lost(None)


async def test_chunk_reaches_the_one_who_waits_as_it_came() -> None:
    connection = Connection(Bench())
    connection.connection_made(Pipe())
    answer = connection.start(UpstreamRequest(method="GET", url="http://provider.example/"), b"")
    connection.data_received(CHUNKED)
    for word in (b"one", b"two"):
        waiting = asyncio.ensure_future(anext(answer.chunks()))
        await asyncio.sleep(0)
        connection.data_received(b"3\r\n" + word + b"\r\n")
        assert await waiting == word
    connection.connection_lost(None)


async def test_head_and_body_go_out_in_one_write() -> None:
    connection, pipe = Connection(Bench()), Pipe()
    connection.connection_made(pipe)
    connection.start(UpstreamRequest(method="POST", url="http://provider.example/", body=b"body"), b"head ")
    assert pipe.written == [b"head body"]
    connection.connection_lost(None)
