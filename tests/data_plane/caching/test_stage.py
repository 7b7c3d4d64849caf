"""The cache among the other stages: what stands before it, what behind it, and what is kept while things change."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from isthmus.core.account import Token
from isthmus.core.attempt import Target
from isthmus.core.caching.answer import CachedAnswer, pack
from isthmus.core.call import Call, CallOptions, Endpoint
from isthmus.core.gateway import DEFAULT_SETTINGS, Gateway
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import Handler, compose
from isthmus.data_plane.caching.cache import AnswerCache, AnswerCacheParts, CacheLimits
from isthmus.data_plane.caching.replay import Replay
from isthmus.errors import PolicyError
from isthmus.storage.memory.cache import MemoryCache
from isthmus.storage.protocols import CacheEntry, Purge
from isthmus.wire.registry import DIALECTS

TARGET = Target(provider="openai", model="tts", name="openai/tts", dialect="", author_name="openai/tts")
SNAPSHOT = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=None)  # type: ignore[arg-type]  # unused


class Clock:
    time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        raise AssertionError


class Checked:
    """A policy between the cache's two places."""

    def __init__(self) -> None:
        self.asked = 0
        self.refuses = False

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        self.asked += 1
        if self.refuses:
            raise PolicyError("no")
        return await call_next(call)


class Stand:
    """The cache around a provider that gives numbered answers."""

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.store = MemoryCache(1_000_000)
        replay = Replay(None, DIALECTS)  # type: ignore[arg-type]  # bodies need none
        self.current = SNAPSHOT
        parts = AnswerCacheParts(
            store=self.store, replay=replay, read_chat=_unread, clock=self.clock, current=lambda: self.current
        )
        self.cache = AnswerCache(parts, CacheLimits(**limits))
        self.check = Checked()
        self.answers = 0
        self.let = asyncio.Event()
        self.let.set()
        stages = (self.cache.stage(skips_checks=True), self.check, self.cache.stage(skips_checks=False))
        self._handler = compose(stages, self._provider)

    async def _provider(self, call: Call) -> Reply:
        self.answers += 1
        body = b'{"number":%d}' % self.answers
        await self.let.wait()
        reply = Reply(200, content_type=b"application/json", dialect="", whole=True)
        reply.body = body
        call.end = "completed"
        return reply

    async def ask(self, call: Call) -> bytes | None:
        """As the egress does it."""
        reply = await self._handler(call)
        reply.done()
        await reply.aclose()
        return reply.body


async def _unread(call: Call) -> Any:
    raise AssertionError


def a_call(key: bytes = b"k", *, options: CallOptions | None = None, gateway: str = "g", **settings: Any) -> Call:
    endpoint = Endpoint(request_type="native", dialect=None, errors=DIALECTS["openai_chat"])
    call = Call("1", endpoint, "a", "/", {}, SNAPSHOT)
    fields = {name: getattr(DEFAULT_SETTINGS, name) for name in DEFAULT_SETTINGS.__struct_fields__}
    changed = type(DEFAULT_SETTINGS)(**{**fields, "cache_ttl": 300, **settings})
    call.gateway = Gateway(id=gateway, account_id="a", settings=changed, created_at=0, modified_at=0)
    call.options = options or CallOptions()
    call.target = TARGET
    call.fingerprint = lambda: key * 32
    return call


@pytest.mark.parametrize("skips", [False, True])
async def test_a_hit_passes_the_checks_unless_the_gateway_wants_cloudflares_order(skips: bool) -> None:
    stand = Stand()
    first = await stand.ask(a_call(cache_skips_checks=skips))
    call = a_call(cache_skips_checks=skips)
    assert await stand.ask(call) == first and call.cached
    assert (stand.answers, stand.check.asked) == (1, 1 if skips else 2)
    stand.check.refuses = True
    if skips:
        assert await stand.ask(a_call(cache_skips_checks=True)) == first
    else:
        with pytest.raises(PolicyError):
            await stand.ask(a_call())


async def test_a_blocked_answer_is_not_kept() -> None:
    """What is refused behind its beginning is closed before it is complete."""
    stand = Stand()
    call = a_call()
    reply = await stand._handler(call)
    call.end = "refused"
    await reply.aclose()
    assert await stand.ask(a_call()) == b'{"number":2}'


@pytest.mark.parametrize(
    ("options", "cache_ttl", "enables", "lives"),
    [
        (CallOptions(), 0, False, 0),
        (CallOptions(), None, False, 0),
        (CallOptions(), 100, False, 100),
        (CallOptions(cache_ttl=60), 100, False, 60),
        (CallOptions(cache_ttl=0), 100, False, 0),
        (CallOptions(cache_ttl=60), 0, False, 0),
        (CallOptions(cache_ttl=60), 0, True, 60),
        (CallOptions(cache_key="x"), 0, False, 300),
        (CallOptions(cache_key="x"), 100, False, 100),
        (CallOptions(cache_key="x", cache_ttl=60), 100, False, 60),
        (CallOptions(cache_key="x", cache_ttl=60), None, False, 60),
        (CallOptions(cache_key="x", cache_ttl=0), 100, False, 0),
    ],
)
async def test_how_long_an_answer_lives(options: CallOptions, cache_ttl: int | None, enables: bool, lives: int) -> None:
    stand = Stand(ttl_enables=enables)
    for at, answers in ((0.0, 1), (lives - 0.5, 1 if lives else 2), (lives + 0.5, 2)):
        if at >= 0:
            stand.clock.time = 1000 + at
            call = a_call(options=options, cache_ttl=cache_ttl)
            await stand.ask(call)
            assert stand.answers == answers if lives else not call.told
            if lives:
                assert call.told[b"cf-aig-cache-status"] == (b"HIT" if at and at < lives else b"MISS")
                assert call.told.get(b"age") == (b"%d" % at if at and at < lives else None)


async def test_skipping_asks_the_provider_and_keeps_what_it_says() -> None:
    stand = Stand()
    await stand.ask(a_call())
    assert await stand.ask(a_call(options=CallOptions(skip_cache=True))) == b'{"number":2}'
    assert await stand.ask(a_call()) == b'{"number":2}'


async def test_skipping_joins_nobody_and_is_joined_by_nobody() -> None:
    stand = Stand()
    stand.let.clear()
    asking = [
        asyncio.ensure_future(stand.ask(a_call(options=CallOptions(skip_cache=skips))))
        for skips in (True, False, True, False)
    ]
    while stand.answers < 3:
        await asyncio.sleep(0)
    stand.let.set()
    bodies = await asyncio.gather(*asking)
    assert stand.answers == 3 and bodies[1] == bodies[3]


async def test_an_answer_begun_before_a_purge_is_not_kept_and_not_joined_after_it() -> None:
    stand = Stand()
    stand.let.clear()
    old = asyncio.ensure_future(stand.ask(a_call()))
    while stand.answers < 1:
        await asyncio.sleep(0)
    await stand.store.purge(Purge(account_id="a", gateway_id="g"))
    new = asyncio.ensure_future(stand.ask(a_call()))
    while stand.answers < 2:
        await asyncio.sleep(0)
    stand.let.set()
    assert [await old, await new] == [b'{"number":1}', b'{"number":2}']
    assert await stand.ask(a_call()) == b'{"number":2}'


async def test_a_call_of_the_configuration_before_keeps_nothing() -> None:
    """A slow body: what it asks for was decided before a change that has emptied the cache meanwhile."""
    stand = Stand()
    old = a_call()
    stand.current = msgspec.structs.replace(SNAPSHOT, version=2)
    assert await stand.ask(old) == b'{"number":1}'
    new = a_call()
    new.snapshot = stand.current
    assert await stand.ask(new) == b'{"number":2}'


async def test_an_entry_of_another_format_is_none() -> None:
    stand = Stand()
    call = a_call()
    await stand.ask(call)
    use = call.cache
    assert use is not None
    old = CachedAnswer(
        format=0,
        kind="body",
        dialect="",
        whole=True,
        content_type=b"text/plain",
        data=b"old",
        stored_at=0,
        provider="openai",
        models=(),
    )
    for packed in (pack(old), b"", b"\x00", b"nonsense"):
        entry = CacheEntry(answer=packed, models=(), provider="openai", expires_at=1e12)
        stand.store.put(use.scope, use.key, entry, use.generation)
        stand.answers = 5
        again = a_call()
        assert await stand.ask(again) == b'{"number":6}' and not again.cached


async def test_a_key_of_ones_own_does_not_open_other_models() -> None:
    """Nor does waiting for somebody who may."""
    stand = Stand()
    keyed = CallOptions(cache_key="shared")
    bound = Token(
        id="t",
        account_id="a",
        name="bound",
        digest="",
        permissions=(),
        models=("openai/other",),
        created_at=0,
    )

    def bound_call() -> Call:
        call = a_call(options=keyed)
        call.token = bound
        call.target = Target(
            provider="openai", model="other", name="openai/other", dialect="", author_name="openai/other"
        )
        return call

    assert await stand.ask(a_call(options=keyed)) == b'{"number":1}'
    assert await stand.ask(bound_call()) == b'{"number":2}'
    stand = Stand()
    stand.let.clear()
    asking = [asyncio.ensure_future(stand.ask(each)) for each in (a_call(options=keyed), bound_call())]
    while stand.answers < 1:
        await asyncio.sleep(0)
    stand.let.set()
    assert await asyncio.gather(*asking) == [b'{"number":1}', b'{"number":2}']


async def test_a_limit_behind_the_cache_is_not_asked_for_a_hit_nor_for_who_waits() -> None:
    stand = Stand()
    taken: list[Call] = []

    async def limit(call: Call, call_next: Handler) -> Reply:
        taken.append(call)
        if len(taken) > 1:
            raise PolicyError("one only")
        return await call_next(call)

    handler = compose((stand.cache.stage(skips_checks=False), limit), stand._provider)
    stand.let.clear()
    asking = [asyncio.ensure_future(handler(a_call())) for _ in range(5)]
    while stand.answers < 1:
        await asyncio.sleep(0)
    stand.let.set()
    for reply in await asyncio.gather(*asking):
        reply.done()
        await reply.aclose()
    assert (await handler(a_call())).body == b'{"number":1}' and len(taken) == 1
    with pytest.raises(PolicyError):
        await handler(a_call(b"o"))
