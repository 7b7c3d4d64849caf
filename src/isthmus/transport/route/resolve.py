"""Finds the addresses of a host, and tells public ones from those of our own network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from isthmus.transport import faults

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses, best first. Raises OSError where there are none."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


async def ask_system(host: str, port: int) -> Sequence[str]:
    """The operating system's resolver, in its own order (RFC 6724)."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def find_addresses(resolve: Resolve, host: str, port: int, *, allow_private: bool) -> Sequence[str]:
    """The addresses to connect to: what is checked here is what is connected to, so no name can change under it."""
    addresses: Sequence[str] = (host,)
    if parse_address(host) is None:
        try:
            addresses = await resolve(host, port)
        except (OSError, UnicodeError):  # UnicodeError: a label too long for the resolver's own IDNA codec
            raise faults.unresolvable(host) from None
    if not addresses:
        raise faults.unresolvable(host)
    if not allow_private and not all(map(is_public, addresses)):
        raise faults.private_address(host)
    return addresses


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def is_public(text: str) -> bool:
    """False for anything but a global unicast address, and for one that wraps an IPv4 address which is none."""
    address = parse_address(text)
    if address is None:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_v4(address)
    if address.ipv4_mapped is not None:
        return _is_public_v4(address.ipv4_mapped)
    if address in _NAT64:  # RFC 6052: the last 32 bits are the IPv4 address
        return _is_public_v4(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.sixtofour is not None:
        return _is_public_v4(address.sixtofour)
    return address in _GLOBAL_UNICAST and address.is_global


def _is_public_v4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast


def is_loopback(host: str) -> bool:
    """Whether a host, as a URL names it, is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = parse_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and address.is_loopback
