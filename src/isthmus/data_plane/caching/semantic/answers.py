"""The stage that gives an answer to a question that was asked in other words. It stands behind the exact cache, within
its flights: calls that are the same wait for one look.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from isthmus.clock import Clock, SystemClock
from isthmus.core.caching.answer import CacheScope, unpack
from isthmus.core.caching.semantic import Partition, SemanticFigures
from isthmus.core.caching.use import KEY, SCORE, CacheUse
from isthmus.core.call import Call
from isthmus.core.gateway import Gateway, SemanticCache
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, Stage, compose
from isthmus.data_plane.caching.cache import AnswerCache
from isthmus.data_plane.caching.semantic.embedder import Embedder
from isthmus.data_plane.caching.semantic.figures import Figures
from isthmus.data_plane.caching.semantic.question import Question, question_of
from isthmus.data_plane.caching.semantic.shadow import Check, Deliver, Shadows
from isthmus.storage.protocols import Cache, Near, VectorEntry, VectorIndex
from isthmus.wire.protocol import Dialect

CANDIDATES = 8
"""So many near questions are looked at, the nearest first."""


class SemanticParts(msgspec.Struct, frozen=True, kw_only=True):
    """`store`: the exact cache's, which holds what is given here too. `deliver` and `dialects`: for the checks.
    `chance`: from 0 to below 1, which of the answers are checked."""

    store: Cache
    index: VectorIndex
    embedder: Embedder
    deliver: Deliver
    dialects: Mapping[str, Dialect]
    clock: Clock = SystemClock()
    chance: Callable[[], float] = random.random


class _Asked(msgspec.Struct, frozen=True):
    """A call's question, and where others like it are."""

    use: CacheUse
    question: Question
    partition: Partition
    vector: bytes


class SemanticAnswers:
    """One a process. Its checks end with `aclose`."""

    def __init__(self, parts: SemanticParts) -> None:
        self._parts = parts
        self._figures = Figures()
        self._shadows = Shadows(parts.deliver, parts.dialects, parts.embedder, self._figures)
        self.aclose = self._shadows.aclose

    def stage(self, answers: AnswerCache, around: Sequence[Stage]) -> Stage:
        """`answers`: the exact cache, behind which this stands. `around`: what stands around every call, and so around
        one that only checks an answer."""

        def stage(call: Call, call_next: Handler) -> Awaitable[Reply]:
            settings = _settings(call)
            return call_next(call) if settings is None else looked_up(call, call_next, settings)

        async def looked_up(call: Call, call_next: Handler, settings: SemanticCache) -> Reply:
            asked = await self._asked(call, settings, answers)
            if asked is None:
                return await call_next(call)
            found = await self._found(call, settings, asked, answers)
            if found is not None:
                reply, check = found
                if check is not None:
                    reply.when_closed(partial(self._check, check, compose(around, call_next)))
                return reply
            self._figures.missed(asked.use.scope)
            reply = await call_next(call)
            reply.when_done(partial(self._learn, call, asked))
            return reply

        return stage

    async def shown(self, gateway: Gateway) -> SemanticFigures:
        """As the API gives them."""
        parts, scope = self._parts, CacheScope(gateway.account_id, gateway.id)
        return self._figures.of(scope, await parts.index.count(scope, parts.clock.now()))

    async def _asked(self, call: Call, settings: SemanticCache, answers: AnswerCache) -> _Asked | None:
        use = call.cache
        assert use is not None
        question = question_of(call, answers.read_chat, settings.metadata)
        if question is None:
            return None
        vectors = await self._parts.embedder.embed((question.text,))
        if vectors is None:
            return None
        return _Asked(use, question, Partition(use.scope, question.rest), vectors[0])

    async def _found(
        self, call: Call, settings: SemanticCache, asked: _Asked, answers: AnswerCache
    ) -> tuple[Reply, Check | None] | None:
        """The answer, and how to check it where it is to be."""
        parts, use, partition = self._parts, asked.use, asked.partition
        now = parts.clock.now()
        found = await parts.index.nearest(partition, asked.vector, settings.threshold, CANDIDATES, now)
        for near in _the_same(asked.question.text, found):
            packed, _ = await parts.store.get(use.scope, near.key, now)
            if packed is None:
                parts.index.remove(partition, near.key)
                continue
            reply = answers.given(call, packed, "SEMANTIC")
            if reply is None:
                continue
            call.told[SCORE] = b"%.3f" % near.score
            call.told[KEY] = near.key.hex().encode()  # by which it can be purged
            self._figures.hit(use.scope)
            if parts.chance() >= settings.shadow_share:
                return reply, None
            answer = unpack(packed)
            return reply, None if answer is None else Check(call, use.scope, answer, near.score)
        return None

    async def _check(self, check: Check, ask: Handler) -> None:
        """The caller has its answer."""
        if check.call.end == "completed":
            self._shadows.begin(check, ask)

    def _learn(self, call: Call, asked: _Asked) -> None:
        """The answer is about to be kept under the call's exact key. What a tool was called with, what was cut off or
        refused is no answer to other words."""
        use = asked.use
        if call.end == "completed" and use.status == "MISS" and call.finish_reason == "stop":
            entry = VectorEntry(
                vector=asked.vector,
                key=use.key,
                text=asked.question.text,
                expires_at=self._parts.clock.now() + use.ttl_seconds,
            )
            self._parts.index.add(asked.partition, entry)


def _the_same(text: str, found: Sequence[Near]) -> Iterator[Near]:
    if found:
        # Its expressions take 25 ms to be made, which starts without such a gateway are spared.
        from isthmus.data_plane.caching.semantic.guard import ask_same, read

        mine = read(text)
        yield from (near for near in found if ask_same(mine, read(near.text)))


def _settings(call: Call) -> SemanticCache | None:
    """None where this call is not looked up."""
    use, gateway = call.cache, call.gateway
    if use is None or not use.reads or use.status != "MISS" or gateway is None:
        return None
    settings = gateway.settings.semantic_cache
    return settings if isinstance(settings, SemanticCache) and settings.enabled else None
