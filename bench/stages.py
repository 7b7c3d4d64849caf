"""What the stages that give answers again and hold limits cost, each alone: in process, around a handler that answers
at once, with nobody else on the event loop. Differences of two rows on the wire are too rough to judge microseconds by.

`python -m bench.stages` prints this part of the report by itself.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum

import msgspec

from bench import answers
from bench.rows import BEYOND_REACH, Kind
from bench.systems.server import BenchError
from isthmus.clock import SteadyClock
from isthmus.core.attempt import Located, Target
from isthmus.core.caching.answer import CacheScope
from isthmus.core.caching.use import CacheStatus
from isthmus.core.call import Call, Endpoint
from isthmus.core.chat.request import Chat
from isthmus.core.chat.usage import Usage
from isthmus.core.gateway import DEFAULT_SETTINGS, Gateway, GatewaySettings, RateLimits, RateRule
from isthmus.core.native import NativeAsked, NativePlace
from isthmus.core.reply import Frame, Reply
from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import Handler, compose
from isthmus.data_plane.caching.cache import AnswerCache, AnswerCacheParts, CacheLimits
from isthmus.data_plane.caching.replay import Replay
from isthmus.data_plane.caching.semantic.answers import SemanticAnswers, SemanticParts
from isthmus.data_plane.outbound.frames import Frames, LateReader
from isthmus.data_plane.outbound.prepare import Preparation
from isthmus.data_plane.pipeline import policies
from isthmus.data_plane.send import Caller
from isthmus.policies.limit_rate import limit_rate
from isthmus.storage.memory.cache import MemoryCache
from isthmus.storage.memory.counters import MemoryCounters
from isthmus.storage.memory.vectors import MemoryVectors
from isthmus.wire.body import Body
from isthmus.wire.registry import DIALECTS

ROUNDS = 31
_CALLS = 200
# Filled before it is measured: every answer that is kept sends another away.
_CACHE_BYTES = 8 * 1024 * 1024
_ACCOUNT = "0" * 32
_MODEL = "openai/gpt-5.5"
_DIALECT = DIALECTS["openai_chat"]
_TARGET = Target(
    provider="openai",
    model=answers.OPENAI_MODEL,
    name=_MODEL,
    dialect="openai_chat",
    located=Located(url="http://127.0.0.1/v1/chat/completions", headers=()),
)
_ENDPOINT = Endpoint(request_type="chat", dialect="openai_chat", errors=_DIALECT)
_USAGE = Usage(input_tokens=142, output_tokens=80)


class Work(StrEnum):
    """What is done with each call."""

    NOTHING = "nothing set"
    MISS = "miss, its answer kept and others sent away"
    HIT = "hit, up to the reply"
    FIXED = "limit in a fixed window"
    SLIDING = "limit in a sliding window"
    IN_FLIGHT = "limit of calls in flight"


LIMITS = (Work.FIXED, Work.SLIDING, Work.IN_FLIGHT)
_CACHE_STATUS: dict[Work | None, CacheStatus] = {Work.MISS: "MISS", Work.HIT: "HIT"}


class StageCost(msgspec.Struct, frozen=True, kw_only=True):
    """The median of the rounds, in microseconds a call: what it takes beyond the handler alone. A hit takes all of it,
    and asks no handler."""

    work: Work
    kind: Kind
    us: float


def measure_stages(rounds: int, calls: int = _CALLS) -> list[StageCost]:
    gc.collect()
    gc.freeze()  # as the server does
    try:
        return asyncio.run(_measure(rounds, calls))
    finally:
        gc.unfreeze()


async def _measure(rounds: int, calls: int) -> list[StageCost]:
    costs = []
    for kind in Kind:
        stages = _Stages(kind, calls)
        times: dict[Work, list[float]] = {work: [] for work in Work}
        await stages.fill()
        for _ in range(rounds):
            alone = await stages.take(None)
            for work, taken in times.items():
                taken.append(await stages.take(work) - (0.0 if work is Work.HIT else alone))
        costs += [StageCost(work=work, kind=kind, us=statistics.median(taken)) for work, taken in times.items()]
    return costs


class _Stages:
    """The stages of `data_plane.pipeline`, and gateways that differ in one thing each."""

    def __init__(self, kind: Kind, calls: int) -> None:
        preparation = Preparation(DIALECTS, _fetch_nothing)
        clock = SteadyClock()
        self._store = MemoryCache(_CACHE_BYTES)
        parts = AnswerCacheParts(
            store=self._store,
            replay=Replay(preparation, DIALECTS),
            read_chat=preparation.chat,
            clock=clock,
            current=lambda: _SNAPSHOT,
        )
        cache = AnswerCache(parts, CacheLimits())
        vectors = SemanticParts(
            store=self._store,
            index=MemoryVectors(max_bytes=0),
            embedder=_NoVectors(),
            deliver=_deliver_nothing,
            dialects=DIALECTS,
        )
        hold, take = limit_rate(MemoryCounters(), clock, str)
        self._alone = _Answers(kind)
        self._around = compose((hold, *policies(cache, SemanticAnswers(vectors), take, (hold,))), self._alone)
        self._request = answers.chat_request(_MODEL, stream=kind is Kind.SSE)
        self._streams = kind is Kind.SSE
        self._gateways = {work: _gateway(work) for work in Work}
        self._numbers = itertools.count(1)
        self._calls = calls

    async def fill(self) -> None:
        scope, before, after = CacheScope(_ACCOUNT, self._gateways[Work.MISS].id), -1, 0
        while after > before:
            await self.take(Work.MISS)
            before, after = after, (await self._store.holdings(scope, 0.0)).bytes

    async def take(self, work: Work | None) -> float:
        """Microseconds a call. None: the handler alone."""
        handler: Handler = self._alone if work is None else self._around
        if work is Work.HIT:
            call = self._call(work)
            await _read(call, await handler(call))  # it is kept by now, if it was not
        calls = [self._call(work or Work.NOTHING) for _ in range(self._calls)]
        started = time.thread_time()
        while calls:  # none outlives its answer, as in the server: what they hold is no work for the garbage collector
            call = calls.pop()
            reply = await handler(call)
            if work is not Work.HIT:
                await _read(call, reply)
        taken = time.thread_time() - started
        if (call.cache and call.cache.status) != _CACHE_STATUS.get(work):
            raise BenchError(f"the cache was of other use to a call than it was to be: {work}")
        return taken / self._calls * 1e6

    def _call(self, work: Work) -> Call:
        """As it is when it comes to these stages: read, and its target known."""
        number = next(self._numbers) if work is Work.MISS else 0
        data = self._request.replace(answers.NUMBER.encode(), b"%0*d" % (len(answers.NUMBER), number))
        call = Call(f"{number:032x}", _ENDPOINT, _ACCOUNT, "", {b"content-type": b"application/json"}, _SNAPSHOT)
        call.body, call.request_size = Body(data), len(data)
        call.model, call.target, call.stream = _MODEL, _TARGET, self._streams
        call.gateway = self._gateways[work]
        return call


class _Answers:
    """A handler that has its answers ready."""

    def __init__(self, kind: Kind) -> None:
        self._first, *self._rest = answers.chat_pieces(stream=kind is Kind.SSE)
        self._type = b"text/event-stream" if kind is Kind.SSE else b"application/json"

    async def __call__(self, call: Call) -> Reply:
        reader = LateReader(_DIALECT, whole=not call.stream)
        reply = Reply(200, content_type=self._type, dialect=_DIALECT.name, whole=not call.stream)
        reply.frames = Frames(Frame(self._first, reader), _Pieces(self._rest), reader)
        return reply


class _Pieces:
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._left = iter(pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._left:
            return piece
        raise StopAsyncIteration


async def _read(call: Call, reply: Reply) -> None:
    """As the egress does it, and its call's row."""
    assert reply.frames is not None
    async for frame in reply.frames:
        _ = frame.data
    call.end, call.usage, call.finish_reason = "completed", _USAGE, "stop"
    reply.done()
    await reply.aclose()


def _gateway(work: Work) -> Gateway:
    return Gateway(id=work.name.lower(), account_id=_ACCOUNT, settings=_settings(work), created_at=0, modified_at=0)


def _settings(work: Work) -> GatewaySettings:
    change = msgspec.structs.replace
    if work in (Work.MISS, Work.HIT):
        return change(DEFAULT_SETTINGS, cache_ttl=3600)
    if work is Work.IN_FLIGHT:
        rule = RateRule(limit=BEYOND_REACH, limitType="in_flight")
        return change(DEFAULT_SETTINGS, rate_limits=RateLimits(enabled=True, rules=(rule,)))
    if work is Work.NOTHING:
        return DEFAULT_SETTINGS
    technique = "fixed" if work is Work.FIXED else "sliding"
    return change(
        DEFAULT_SETTINGS,
        rate_limiting_limit=BEYOND_REACH,
        rate_limiting_interval=1,  # what was counted leaves the window while others come
        rate_limiting_technique=technique,
    )


async def _fetch_nothing(chat: Chat, addresses: Sequence[str]) -> Chat:
    raise AssertionError("no question here has files")


async def _deliver_nothing(call: Call, reply: Reply, caller: Caller) -> None:
    raise AssertionError("no gateway here answers what was asked in other words")


class _NoVectors:
    """No gateway here looks for any."""

    async def embed(self, texts: Sequence[str]) -> list[bytes] | None:
        return None


class _NoModels:
    """Every target is known."""

    def resolve(self, name: str, dialect: str, key: str | None = None) -> Target:
        return _TARGET

    def native(self, asked: NativeAsked) -> NativePlace:
        raise AssertionError("no provider's own path is asked for")


_SNAPSHOT = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=_NoModels())


if __name__ == "__main__":
    for cost in measure_stages(ROUNDS):
        print(f"{cost.kind:5}{cost.us:8.1f} µs  {cost.work}")
