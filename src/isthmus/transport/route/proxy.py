"""Which proxy stands between us and an origin, as the environment names it, and how to ask it for a tunnel."""

from __future__ import annotations

import asyncio
import binascii
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import cast
from urllib.parse import unquote, urlsplit

import msgspec

from isthmus.transport.route.origin import Origin, bracketed
from isthmus.transport.route.resolve import is_loopback, parse_address

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r)")
_DEFAULT_PORT = 80
_MAX_TUNNEL_HEAD_BYTES = 16 * 1024


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """`variable` is where it was named; `authorization` a header line, its line break first, or empty. Without a
    `host` it is not usable: that is told in use, so that an address which nothing needs stops nobody from starting."""

    variable: str
    host: str = ""
    port: int = 0
    authorization: bytes = b""

    @property
    def peer(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


class Bypass(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of NO_PROXY: a network, or a name which also stands for all names below it."""

    suffix: str = ""
    network: IPv4Network | IPv6Network | None = None
    port: int | None = None

    def covers(self, origin: Origin) -> bool:
        if self.port is not None and self.port != origin.port:
            return False
        if self.network is not None:
            address = parse_address(origin.host)
            return address is not None and address in self.network
        return self.suffix == "*" or f".{origin.host}".endswith(f".{self.suffix}")


class Proxies(msgspec.Struct, frozen=True, kw_only=True):
    """The proxies of one environment."""

    http: Proxy | None = None
    https: Proxy | None = None
    bypasses: tuple[Bypass, ...] = ()

    def find(self, origin: Origin) -> Proxy | None:
        proxy = self.https if origin.secure else self.http
        if proxy is None or is_loopback(origin.host) or any(entry.covers(origin) for entry in self.bypasses):
            return None
        return proxy


def read_proxies(environ: Mapping[str, str]) -> Proxies:
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; the lower-case names win, as in curl."""
    entries = re.split(r"[,\s]+", _read(environ, "NO_PROXY"))
    return Proxies(
        http=_parse_proxy(environ, "HTTP_PROXY") or _parse_proxy(environ, "ALL_PROXY"),
        https=_parse_proxy(environ, "HTTPS_PROXY") or _parse_proxy(environ, "ALL_PROXY"),
        bypasses=tuple(_parse_bypass(entry.lower()) for entry in entries if entry),
    )


def _read(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name.lower()) or environ.get(name) or "").strip()


def _parse_proxy(environ: Mapping[str, str], variable: str) -> Proxy | None:
    text = _read(environ, variable)
    if not text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port or _DEFAULT_PORT
    except ValueError:
        return Proxy(variable=variable)
    if parts.scheme != "http" or not host:
        return Proxy(variable=variable)
    return Proxy(variable=variable, host=host, port=port, authorization=_authorization(parts.username, parts.password))


def _authorization(username: str | None, password: str | None) -> bytes:
    if username is None and password is None:
        return b""
    pair = f"{unquote(username or '')}:{unquote(password or '')}"
    return b"\r\nProxy-Authorization: Basic %b" % binascii.b2a_base64(pair.encode(), newline=False)


def _parse_bypass(entry: str) -> Bypass:
    try:
        return Bypass(network=ip_network(entry.strip("[]"), strict=False))
    except ValueError:
        pass
    name, colon, digits = entry.rpartition(":")
    if not (colon and digits.isdigit()):
        return Bypass(suffix=entry.removeprefix("*.").lstrip("."))
    port = int(digits)
    address = parse_address(name.strip("[]"))
    if address is not None:
        return Bypass(network=ip_network(address), port=port)
    return Bypass(suffix=name.removeprefix("*.").lstrip("."), port=port)


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel to an origin; `answered` becomes the status it gave, or 0 for none."""

    def __init__(self, proxy: Proxy, peer: str) -> None:
        self.answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._request = b"CONNECT %b HTTP/1.1\r\nHost: %b%b\r\n\r\n" % (
            peer.encode(),
            peer.encode(),
            proxy.authorization,
        )
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        cast(asyncio.WriteTransport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            if len(self._head) > _MAX_TUNNEL_HEAD_BYTES:
                self._answer(0)
            return
        match = _STATUS_LINE.match(self._head)
        status = int(match[1]) if match else 0
        # TLS begins with our word: bytes behind the head of a success are none of the origin's.
        surplus = len(self._head) > end + len(b"\r\n\r\n")
        self._answer(0 if surplus and status // 100 == 2 else status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._answer(0)

    def _answer(self, status: int) -> None:
        if not self.answered.done():
            self.answered.set_result(status)
