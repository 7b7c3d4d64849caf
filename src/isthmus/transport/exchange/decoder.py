"""Turns one connection's bytes into answers: status, headers, and the parts of a body, by way of httptools."""

from __future__ import annotations

from collections.abc import Callable

from httptools import HttpParserError, HttpResponseParser

Header = tuple[bytes, bytes]


class UnwantedError(Exception):
    """Bytes came after the end of an answer, or an answer which nobody can want."""


class Decoder:
    """What has come of the answer being received. `status` is 0 until its head is complete; interim answers (1xx)
    are passed over; that 204 and 304 have no body, whatever lengths they name, is known to the parser. Whoever feeds it
    empties `parts`.

    The public names that begin with `on_` are what httptools looks for.
    """

    __slots__ = (
        "_collected",
        "_feed",
        "_no_body",
        "_parser",
        "ended",
        "headers",
        "keep_alive",
        "on_body",
        "on_header",
        "parts",
        "status",
    )

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.on_body = self.parts.append  # the list itself: no Python frame for each part
        self._collected: list[Header] = []
        self.on_header = _collect_into(self._collected)
        self._no_body = True
        self.expect(no_body=False)

    def expect(self, *, no_body: bool) -> None:
        """Makes ready for the next answer. `no_body`: it answers HEAD, whatever lengths it names."""
        self.status = 0
        self.ended = self.keep_alive = False
        self.headers: tuple[Header, ...] = ()
        self._collected.clear()
        if no_body or self._no_body:  # a parser that was broken off takes no more
            self._no_body = no_body
            self._parser = HttpResponseParser(self)
            self._feed = self._feed_lines if no_body else self._parser.feed_data

    def decode(self, data: bytes) -> str:
        """Takes bytes in. What is wrong with them, or nothing; `parts` holds what came before the fault."""
        try:
            self._feed(data)
        except HttpParserError as error:
            return str(error.__context__ or error)
        return ""

    def close(self) -> None:
        """Lets go of the parser, which holds us."""
        del self._feed, self._parser

    def head_exceeds(self, max_bytes: int) -> bool:
        """For when more than `max_bytes` have come in: whether they all belong to the head."""
        return not self.status or sum(len(name) + len(value) + 4 for name, value in self.headers) > max_bytes

    def delimited_by_close(self) -> bool:
        """Whether the end of the connection is the proper end of the body (RFC 9112, 6.3)."""
        names = {name for name, _ in self.headers}
        return bool(self.status) and names.isdisjoint((b"content-length", b"transfer-encoding"))

    def on_message_begin(self) -> None:
        if self.ended:
            raise UnwantedError("bytes follow the end of the answer")

    def on_headers_complete(self) -> None:
        status: int = self._parser.get_status_code()
        if status < 200:
            if status < 100 or status == 101:
                raise UnwantedError(f"status {status} was not asked for")
            return
        self.headers = tuple(self._collected)
        self.keep_alive = self._parser.should_keep_alive()
        if self._no_body:
            self.status = status
            self.ended = True
            raise UnwantedError("an answer to HEAD ends here")
        if not self.keep_alive:
            self._refuse_transfer_coding()
        self.status = status

    def on_message_complete(self) -> None:
        if self.status:
            self.ended = True
        else:
            self._collected.clear()

    def _feed_lines(self, data: bytes) -> None:
        """The parser would wait for the body that an answer to HEAD speaks of. So that it is broken off at the head's
        end, and what follows is seen, it gets one line at a time."""
        for line in data.splitlines(keepends=True):
            if self.ended:
                raise HttpParserError("bytes follow the end of the answer")
            try:
                self._parser.feed_data(line)
            except HttpParserError:
                if not self.ended:
                    raise

    def _refuse_transfer_coding(self) -> None:
        for name, value in self.headers:
            if name == b"transfer-encoding" and value.lower() != b"chunked":
                raise UnwantedError("its transfer coding was not asked for")


def _collect_into(headers: list[Header]) -> Callable[[bytes, bytes], None]:
    """A closure: half the cost of a method, and it runs once a header. Trailers are collected, and never read."""
    append = headers.append

    def on_header(name: bytes, value: bytes) -> None:
        append((name.lower(), value.rstrip()))  # httptools leaves the white space at the end (RFC 9110, 5.5)

    return on_header
