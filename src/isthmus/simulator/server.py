"""The simulator itself: an HTTP server on loopback that stands in for the providers, in process for tests (`async with
Simulator() as sim`) or on its own (`serve`).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import deque
from collections.abc import Callable, Iterable

from isthmus.simulator import routes
from isthmus.simulator.connection import Connection
from isthmus.simulator.delivery import deliver
from isthmus.simulator.exchange import World
from isthmus.simulator.faults import Fault
from isthmus.simulator.models import Model, catalogue
from isthmus.simulator.recorded import RecordedRequest

MAX_RECORDED = 1000
MAX_SCRIPTED = 1000

Predicate = Callable[[RecordedRequest], bool]


class Simulator:
    """`next` and `on` say how requests to come shall be answered; `requests` holds the last that came.

    A fault given by `next` is for one request and comes before those of `on`, which last; both come before what a
    request asks for itself. A request that breaks a rule is refused in plain words all the same.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: str = "",
        models: Iterable[Model] = (),
        max_recorded: int = MAX_RECORDED,
    ) -> None:
        self.requests: deque[RecordedRequest] = deque(maxlen=max_recorded)
        self._world = World(seed, catalogue(models))
        self._host = host
        self._port = port
        self._prefix = prefix
        self._queued: deque[Fault] = deque()
        self._standing: list[tuple[Predicate, Fault]] = []
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._arrivals = asyncio.Condition()
        self._arrived = 0

    @property
    def base_url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}{self._prefix}"

    @property
    def openai_url(self) -> str:
        return f"{self.base_url}/v1/"

    @property
    def anthropic_url(self) -> str:
        return f"{self.base_url}/"

    def next(self, *faults: Fault) -> None:
        """One fault for each of the next requests, in order."""
        if len(self._queued) + len(faults) > MAX_SCRIPTED:
            raise ValueError(f"more than {MAX_SCRIPTED} faults are queued")
        self._queued.extend(faults)

    def on(self, predicate: Predicate, fault: Fault) -> None:
        """This fault for every request of which `predicate` holds; the first that holds counts."""
        if len(self._standing) >= MAX_SCRIPTED:
            raise ValueError(f"more than {MAX_SCRIPTED} predicates")
        self._standing.append((predicate, fault))

    def clear(self) -> None:
        """Forgets faults not used yet and requests seen."""
        self._queued.clear()
        self._standing.clear()
        self.requests.clear()
        self._arrived = 0

    async def seen(self, count: int) -> RecordedRequest:
        """Waits until so many requests have come, since the start or `clear`; returns the last that came."""
        async with self._arrivals:
            await self._arrivals.wait_for(lambda: self._arrived >= count)
        return self.requests[-1]

    async def __aenter__(self) -> Simulator:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._serve, self._connections), self._host, self._port, backlog=2048
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.gather(*(connection.stop() for connection in list(self._connections)))
        await self._server.wait_closed()

    async def _serve(self, connection: Connection, request: RecordedRequest) -> None:
        self.requests.append(request)
        self._arrived += 1
        async with self._arrivals:
            self._arrivals.notify_all()
        answer, fault = routes.respond(request, self._world, self._fault_for(request), self._prefix)
        await deliver(connection, request, answer, fault)

    def _fault_for(self, request: RecordedRequest) -> Fault | None:
        if self._queued:
            return self._queued.popleft()
        return next((fault for predicate, fault in self._standing if predicate(request)), None)


def serve(host: str, port: int, seed: int) -> None:
    """Runs until interrupted or terminated."""
    with contextlib.suppress(KeyboardInterrupt):
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(_serve_for_ever(host, port, seed))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve_for_ever(host: str, port: int, seed: int) -> None:
    async with Simulator(seed=seed, host=host, port=port) as simulator:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        print(f"Simulating OpenAI, Anthropic, Google, Bedrock and Cohere at {simulator.base_url} with seed {seed}.")
        print("Point a gateway to it:")
        print(f'  [providers.openai]\n  base_url = "{simulator.openai_url}"\n  allow_private_address = true')
        for slug in ("anthropic", "google-ai-studio", "aws-bedrock", "cohere"):
            address = f'base_url = "{simulator.base_url}/"\n  allow_private_address = true'
            print(f"  [providers.{slug}]\n  {address}", flush=True)
        await stopped.wait()
