"""Writes the head of a request: the caller's headers as they are, and the few that are the transport's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from isthmus.errors import InvalidRequest
from isthmus.transport.protocol import UpstreamRequest

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_OWN = frozenset(
    b"connection content-length expect host keep-alive proxy-authorization proxy-connection".split()
    + b"te transfer-encoding upgrade".split()
)
# CONNECT opens a tunnel, TRACE has the answer repeat our credentials (RFC 9110, 9.3.6 and 9.3.8).
_NEVER_SENT = frozenset(("CONNECT", "TRACE"))
_METHODS_WITH_BODY = (b"POST ", b"PUT ", b"PATCH ")  # RFC 9110, 8.6
_MAX_REMEMBERED = 1024
_MAX_REMEMBERED_BYTES = 128
K = TypeVar("K")
Header = tuple[bytes, bytes]


class HeadWriter:
    """Remembers the names and methods it has checked, so that each is checked once."""

    __slots__ = ("_methods", "_prefixes")

    def __init__(self) -> None:
        self._methods: dict[str, bytes] = {}
        self._prefixes: dict[bytes, bytes] = {}

    def write(self, request: UpstreamRequest, target: bytes, after_target: bytes) -> bytes:
        """`after_target` ends the request line and names the host. Raises InvalidRequest before anything is sent."""
        method = self._methods.get(request.method) or self._check_method(request.method)
        prefixes = self._prefixes
        try:
            fields = [prefixes[name] + value for name, value in request.headers]
        except KeyError:
            fields = self._write_unknown(request.headers)
        block = b"".join(fields)
        # Each field begins with a line break: there may be no other.
        if block.count(b"\r") != len(fields) or block.count(b"\n") != len(fields) or b"\0" in block:
            raise InvalidRequest("A header for the provider has a line break or NUL in its value.")
        body = request.body
        if isinstance(body, bytes):
            body_bytes = len(body)
        elif request.body_bytes is None:
            return b"%b%b%b%b\r\nTransfer-Encoding: chunked\r\n\r\n" % (method, target, after_target, block)
        elif (body_bytes := request.body_bytes) < 0:
            raise InvalidRequest("The length of a request's body cannot be negative.")
        if body_bytes or method in _METHODS_WITH_BODY:
            return b"%b%b%b%b\r\nContent-Length: %d\r\n\r\n" % (method, target, after_target, block, body_bytes)
        return b"%b%b%b%b\r\n\r\n" % (method, target, after_target, block)

    def _check_method(self, method: str) -> bytes:
        if method.upper() in _NEVER_SENT or not (method.isascii() and _TOKEN.fullmatch(method.encode())):
            raise InvalidRequest("The method of a request to a provider is not valid.")
        return _remember(self._methods, method, method.encode() + b" ")

    def _write_unknown(self, headers: Iterable[Header]) -> list[bytes]:
        """Without those which are the transport's own; they stay unknown, and so bring us here again."""
        fields = []
        for name, value in headers:
            if name.lower() in _OWN:
                continue
            if not _TOKEN.fullmatch(name):
                raise InvalidRequest("The name of a header for the provider is not valid.")
            fields.append(_remember(self._prefixes, name, b"\r\n" + name + b": ") + value)
        return fields


def _remember(known: dict[K, bytes], key: K, text: bytes) -> bytes:
    if len(text) <= _MAX_REMEMBERED_BYTES:  # callers of native paths choose names as they like
        if len(known) >= _MAX_REMEMBERED:
            known.clear()
        known[key] = text
    return text
