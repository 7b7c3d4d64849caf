"""Opens a connection to an origin: address by address, through a proxy's tunnel, under TLS, within one deadline."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from isthmus.transport import faults
from isthmus.transport.exchange.connection import Connection
from isthmus.transport.route.origin import Origin
from isthmus.transport.route.proxy import Proxy, Tunnel
from isthmus.transport.route.resolve import Resolve, find_addresses
from isthmus.transport.route.tls import TlsContext

Make = Callable[[], Connection]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """An origin and the way there."""

    origin: Origin
    proxy: Proxy | None = None
    allow_private_address: bool = True

    @property
    def target_prefix(self) -> bytes:
        """A proxy without a tunnel is shown the absolute form (RFC 9112, 3.2.2)."""
        plain_proxy = self.proxy is not None and not self.origin.secure
        return b"http://%b" % self.origin.authority.encode() if plain_proxy else b""

    @property
    def after_target(self) -> bytes:
        authorization = self.proxy.authorization if self.proxy is not None and not self.origin.secure else b""
        return b" HTTP/1.1\r\nHost: %b%b" % (self.origin.authority.encode(), authorization)


class Dialer:
    """What every connection needs to be opened."""

    __slots__ = ("_resolve", "_tls")

    def __init__(self, resolve: Resolve, tls: TlsContext) -> None:
        self._resolve = resolve
        self._tls = tls

    async def dial(self, route: Route, make: Make, deadline: float, seconds: float) -> Connection:
        """Raises Unavailable or TimedOut; `seconds` is what the caller allowed, for the message."""
        origin, proxy = route.origin, route.proxy
        if proxy is not None and not proxy.host:
            raise faults.unusable_proxy(proxy.variable)

        async def reach(address: str) -> Connection:
            if proxy is None:
                return await self._connect(origin, address, make)
            return await self._connect_through(proxy, origin, address, make)

        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._find_addresses(route)
                return await _first_reached(addresses, reach, deadline)
        except TimeoutError as error:
            if error.errno is None:
                raise faults.connect_timeout(origin.peer, seconds) from None
            raise faults.unreachable(origin.peer, error) from None
        except OSError as error:
            # TLS is the origin's even behind a proxy.
            peer = origin.peer if proxy is None or isinstance(error, ssl.SSLError) else proxy.peer
            raise faults.unreachable(peer, error) from None

    async def _find_addresses(self, route: Route) -> Sequence[str]:
        origin, proxy = route.origin, route.proxy
        if proxy is None:
            return await find_addresses(
                self._resolve, origin.host, origin.port, allow_private=route.allow_private_address
            )
        if not route.allow_private_address:
            # The proxy looks the name up again, so a name that changes is for it to refuse.
            await find_addresses(self._resolve, origin.host, origin.port, allow_private=False)
        return await find_addresses(self._resolve, proxy.host, proxy.port, allow_private=True)

    async def _connect(self, origin: Origin, address: str, make: Make) -> Connection:
        loop = asyncio.get_running_loop()
        if origin.secure:
            name = origin.host.rstrip(".")
            _, connection = await loop.create_connection(
                make, address, origin.port, ssl=self._tls.get(), server_hostname=name
            )
        else:
            _, connection = await loop.create_connection(make, address, origin.port)
        return connection

    async def _connect_through(self, proxy: Proxy, origin: Origin, address: str, make: Make) -> Connection:
        loop = asyncio.get_running_loop()
        if not origin.secure:
            _, connection = await loop.create_connection(make, address, proxy.port)
            return connection
        transport, tunnel = await loop.create_connection(lambda: Tunnel(proxy, origin.peer), address, proxy.port)
        try:
            status = await tunnel.answered
            if status // 100 != 2:
                raise faults.no_tunnel(proxy.peer, origin.peer, status)
            connection = make()
            connection.connection_made(transport)  # should the origin speak or leave before TLS is ready
            name = origin.host.rstrip(".")
            secured = await loop.start_tls(transport, connection, self._tls.get(), server_hostname=name)
        except BaseException:
            transport.abort()
            raise
        if secured is None:
            raise faults.no_tunnel(proxy.peer, origin.peer, 0)
        connection.connection_made(secured)
        return connection


async def _first_reached(
    addresses: Sequence[str], reach: Callable[[str], Awaitable[Connection]], deadline: float
) -> Connection:
    """Tries the addresses in order. Each has its share of the time left, so that one which swallows every packet does
    not keep us from the next."""
    clock = asyncio.get_running_loop().time
    for left in range(len(addresses), 1, -1):
        share = (deadline - clock()) / left
        try:
            async with asyncio.timeout(share):
                return await reach(addresses[-left])
        except OSError:
            continue
    return await reach(addresses[-1])
