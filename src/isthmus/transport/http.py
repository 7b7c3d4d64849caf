"""The upstream transport over HTTP/1.1: finds the pool, sends, and sends once more where a resting connection had
been closed by the other side."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.transport import faults
from isthmus.transport.exchange.answer import Answer
from isthmus.transport.exchange.head import HeadWriter
from isthmus.transport.limits import TransportLimits
from isthmus.transport.pool import Pool
from isthmus.transport.protocol import UpstreamRequest
from isthmus.transport.route.dial import Dialer, Route
from isthmus.transport.route.origin import parse_origin, split_url
from isthmus.transport.route.proxy import read_proxies
from isthmus.transport.route.resolve import Resolve, ask_system
from isthmus.transport.route.tls import TlsContext

_MAX_REMEMBERED_TARGETS = 1024


class HttpTransport:
    """A `Transport`. `environ` is where proxies are read from, once; without it there are none."""

    __slots__ = ("_closed", "_dialer", "_heads", "_limits", "_pools", "_proxies", "_targets")

    def __init__(
        self,
        *,
        limits: TransportLimits | None = None,
        extra_ca_files: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
        resolve: Resolve = ask_system,
    ) -> None:
        self._limits = limits or TransportLimits()
        self._dialer = Dialer(resolve, TlsContext(extra_ca_files))
        self._proxies = read_proxies(environ or {})
        self._heads = HeadWriter()
        self._pools: dict[tuple[str, bool], Pool] = {}
        self._targets: dict[tuple[str, bool], tuple[Pool, bytes]] = {}
        self._closed = False

    async def send(self, request: UpstreamRequest) -> Answer:
        if self._closed:
            raise faults.shut_down()
        pool, target = self._targets.get((request.url, request.allow_private_address)) or self._locate(request)
        head = self._heads.write(request, target, pool.after_target)
        if isinstance(request.body, bytes):
            connection = pool.take() or await pool.connect(request.timeouts.connect_seconds)
        else:  # a kept connection may be stale, and such a body cannot be sent once more
            connection = await pool.connect(request.timeouts.connect_seconds, fresh=True)
        answer = connection.start(request, head)
        await answer.wait_for_head()
        if answer.stale:
            connection = await pool.connect(request.timeouts.connect_seconds)
            answer = connection.start(request, head)
            await answer.wait_for_head()
        if answer.error is not None and not answer.status:  # once there is a head, what follows is for chunks() to tell
            await answer.aclose()
            raise answer.error
        return answer

    async def aclose(self) -> None:
        """Closes every connection, busy ones too, and returns when their sockets are gone."""
        self._closed = True
        for pool in tuple(self._pools.values()):
            await pool.aclose()

    def _locate(self, request: UpstreamRequest) -> tuple[Pool, bytes]:
        text, target_text = split_url(request.url)
        key = text, request.allow_private_address
        pool = self._pools.get(key) or self._add_pool(*key)
        target = pool.target_prefix + target_text.encode()
        if "?" not in target_text:  # a query may hold a credential, and is seldom the same
            if len(self._targets) >= _MAX_REMEMBERED_TARGETS:
                self._targets.clear()
            self._targets[request.url, request.allow_private_address] = pool, target
        return pool, target

    def _add_pool(self, text: str, allow_private_address: bool) -> Pool:
        origin = parse_origin(text)
        route = Route(origin=origin, proxy=self._proxies.find(origin), allow_private_address=allow_private_address)
        if len(self._pools) >= self._limits.max_origins:
            self._drop_quiet_pool()
        pool = self._pools[text, allow_private_address] = Pool(route, self._dialer, self._limits)
        return pool

    def _drop_quiet_pool(self) -> None:
        """Those at work stay: their number is that of the requests being served."""
        oldest = next((key for key, pool in self._pools.items() if pool.quiet), None)
        if oldest is not None:
            self._pools.pop(oldest).close_idle()
            self._targets.clear()
