"""Cached answers: what every store of them does, against a plain dictionary; and how the one in memory keeps its bound.

Another store passes the same by a subclass of `CacheContract`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from isthmus.core.caching.answer import CacheScope
from isthmus.storage.memory.cache import CLEARED, ENTRY_BYTES, GENERATIONS, MemoryCache
from isthmus.storage.protocols import Cache, CacheEntry, Purge

ACCOUNTS = ("one", "two")
GATEWAYS = ("default", "other")
SCOPES = [CacheScope(account, gateway) for account in ACCOUNTS for gateway in GATEWAYS]
KEYS = [bytes([number]) * 32 for number in range(4)]
MODELS = ("openai/gpt-4.1", "Anthropic/Claude", "@cf/Über/modell")
PROVIDERS = ("openai", "custom-mine")
FOREVER = 1e12

scopes = st.sampled_from(SCOPES)
keys = st.sampled_from(KEYS)
some_models = st.lists(st.sampled_from(MODELS), min_size=1, max_size=3).map(tuple)
spellings = [*MODELS, *map(str.upper, MODELS), "OpenAI/gpt-4-1", "absent"]
spelled_models = st.lists(st.sampled_from(spellings), max_size=2).map(tuple)
purges = st.builds(
    Purge,
    account_id=st.sampled_from((*ACCOUNTS, "absent")),
    gateway_id=st.sampled_from((None, *GATEWAYS, "absent")),
    keys=st.none() | st.lists(keys, max_size=3).map(tuple),
    models=st.none() | spelled_models,
    provider=st.none() | st.sampled_from((*PROVIDERS, "absent")),
)


def touches(purge: Purge, scope: CacheScope) -> bool:
    return scope.account_id == purge.account_id and purge.gateway_id in (None, scope.gateway_id)


def folded(model: str) -> str:
    return model.lower().replace(".", "-")


def names(purge: Purge, key: bytes, entry: CacheEntry) -> bool:
    wanted = None if purge.models is None else {folded(model) for model in purge.models}
    return (
        (purge.keys is None or key in purge.keys)
        and (wanted is None or any(folded(model) in wanted for model in entry.models))
        and purge.provider in (None, entry.provider)
    )


class CacheContract(RuleBasedStateMachine):
    """`kept` is what the store must have, as far as it has not expired; what has expired once, by a clock that then
    steps back, it may have or not. `epochs` counts the purges that touched a scope."""

    seen = Bundle("seen")

    def make(self) -> Cache:
        """A store with room for all that is put into it here."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.store = self.make()
        self.now = self.latest = 1000.0
        self.kept: dict[tuple[CacheScope, bytes], CacheEntry] = {}
        self.epochs = dict.fromkeys(SCOPES, 0)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    @rule(seconds=st.integers(-60, 120))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.latest = max(self.latest, self.now)

    @rule(target=seen, scope=scopes, key=keys)
    def get(self, scope: CacheScope, key: bytes) -> tuple[CacheScope, int, int]:
        answer, generation = self.run(self.store.get(scope, key, self.now))
        entry = self.kept.get((scope, key))
        if entry is None or entry.expires_at <= self.now:
            assert answer is None
        elif entry.expires_at > self.latest:
            assert answer == entry.answer
        else:
            assert answer in (None, entry.answer)
        if answer is None:
            self.kept.pop((scope, key), None)
        return scope, generation, self.epochs[scope]

    @rule(
        looked=seen,
        key=keys,
        answer=st.binary(max_size=40),
        models=some_models,
        provider=st.sampled_from(PROVIDERS),
        ttl=st.integers(1, 100),
    )
    def put(self, looked: Any, key: bytes, answer: bytes, models: Any, provider: str, ttl: int) -> None:
        scope, generation, epoch = looked
        entry = CacheEntry(answer=answer, models=models, provider=provider, expires_at=self.now + ttl)
        self.store.put(scope, key, entry, generation)
        if epoch == self.epochs[scope]:
            self.kept[scope, key] = entry

    @rule(purge=purges)
    def purge(self, purge: Purge) -> None:
        going = {
            (scope, key): entry
            for (scope, key), entry in self.kept.items()
            if touches(purge, scope) and names(purge, key, entry)
        }
        went = self.run(self.store.purge(purge))
        assert sum(entry.expires_at > self.latest for entry in going.values()) <= went <= len(going)
        self.kept = {place: entry for place, entry in self.kept.items() if place not in going}
        for scope in SCOPES:
            self.epochs[scope] += touches(purge, scope)

    @rule(scope=scopes)
    def count(self, scope: CacheScope) -> None:
        holdings = self.run(self.store.holdings(scope, self.now))
        own = [entry for place, entry in self.kept.items() if place[0] == scope]
        sure = [entry for entry in own if entry.expires_at > self.latest]
        assert len(sure) <= holdings.entries <= sum(entry.expires_at > self.now for entry in own)
        assert holdings.bytes >= sum(len(entry.answer) for entry in sure)
        assert (holdings.bytes > 0) == (holdings.entries > 0)


class MemoryContract(CacheContract):
    def make(self) -> Cache:
        return MemoryCache(1024 * 1024)


class MemoryBound(RuleBasedStateMachine):
    """Nothing expires here, and little fits in. `kept` in the order of use, the longest unused first."""

    @initialize(room=st.integers(0, 6), more=st.integers(0, ENTRY_BYTES))
    def begin(self, room: int, more: int) -> None:
        self.most = room * ENTRY_BYTES + more
        self.store = MemoryCache(self.most)
        self.kept: dict[tuple[CacheScope, bytes], CacheEntry] = {}

    @rule(scope=scopes, key=keys)
    def get(self, scope: CacheScope, key: bytes) -> None:
        entry = self.kept.pop((scope, key), None)
        assert look(self.store, scope, key)[0] == (None if entry is None else entry.answer)
        if entry is not None:
            self.kept[scope, key] = entry

    @rule(scope=scopes, key=keys, length=st.integers(0, 2 * ENTRY_BYTES), models=some_models)
    def put(self, scope: CacheScope, key: bytes, length: int, models: Any) -> None:
        entry = CacheEntry(answer=bytes(length), models=models, provider="openai", expires_at=FOREVER)
        self.store.put(scope, key, entry, look(self.store, scope, b"absent")[1])
        if cost(entry) <= self.most:
            self.kept.pop((scope, key), None)
            self.kept[scope, key] = entry
            while sum(map(cost, self.kept.values())) > self.most:
                del self.kept[next(iter(self.kept))]

    @rule(scope=scopes)
    def purge(self, scope: CacheScope) -> None:
        gone = {place for place in self.kept if place[0] == scope}
        assert at_once(self.store.purge(Purge(account_id=scope.account_id, gateway_id=scope.gateway_id))) == len(gone)
        self.kept = {place: entry for place, entry in self.kept.items() if place not in gone}

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "store"):
            for scope in SCOPES:
                costs = [cost(entry) for place, entry in self.kept.items() if place[0] == scope]
                holdings = at_once(self.store.holdings(scope, 0.0))
                assert (holdings.entries, holdings.bytes) == (len(costs), sum(costs))
            assert sum(map(cost, self.kept.values())) <= self.most


def cost(entry: CacheEntry) -> int:
    return ENTRY_BYTES + len(entry.answer) + 4 * sum(map(len, entry.models))


def at_once(work: Any) -> Any:
    """The outcome of a coroutine that waits for nothing."""
    with pytest.raises(StopIteration) as ended:
        work.send(None)
    return ended.value.value


def look(store: MemoryCache, scope: CacheScope, key: bytes, now: float = 0.0) -> tuple[bytes | None, int]:
    found: tuple[bytes | None, int] = at_once(store.get(scope, key, now))
    return found


TestMemoryContract = MemoryContract.TestCase
TestMemoryContract.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMemoryBound = MemoryBound.TestCase
TestMemoryBound.settings = TestMemoryContract.settings


def fill(
    store: MemoryCache, scope: CacheScope, count: int, expires_at: float = FOREVER, models: tuple[str, ...] = ()
) -> list[bytes]:
    generation = look(store, scope, b"")[1]
    made = [number.to_bytes(32, "big") for number in range(count)]
    for key in made:
        entry = CacheEntry(answer=key, models=models, provider="openai", expires_at=expires_at)
        store.put(scope, key, entry, generation)
    return made


def there(store: MemoryCache, scope: CacheScope, made: Iterable[bytes], now: float = 0.0) -> int:
    return sum(look(store, scope, key, now)[0] is not None for key in made)


def test_one_that_is_larger_than_all_drives_nothing_out() -> None:
    store = MemoryCache(4 * (ENTRY_BYTES + 32))
    made = fill(store, SCOPES[0], 4)
    huge = CacheEntry(answer=bytes(10_000), models=(), provider="openai", expires_at=FOREVER)
    store.put(SCOPES[0], made[0], huge, 0)
    assert there(store, SCOPES[0], made) == 4


def test_what_was_begun_before_a_purge_is_not_kept_after_it() -> None:
    """With no entry, no gateway and no account known before."""
    for purge in (
        Purge(account_id="new"),
        Purge(account_id="new", gateway_id="new"),
        Purge(account_id="new", gateway_id="new", keys=(KEYS[0],)),
        Purge(account_id="new", provider="custom-mine"),
    ):
        store, scope = MemoryCache(100_000), CacheScope("new", "new")
        generation = look(store, scope, KEYS[0])[1]
        assert at_once(store.purge(purge)) == 0
        entry = CacheEntry(answer=b"old", models=(), provider="openai", expires_at=FOREVER)
        store.put(scope, KEYS[0], entry, generation)
        answer, generation = look(store, scope, KEYS[0])
        assert answer is None
        store.put(scope, KEYS[0], entry, generation)
        assert look(store, scope, KEYS[0])[0] == b"old"


def test_generations_do_not_pile_up() -> None:
    """Gateways come and go. What is forgotten of them counts against an answer, never for it."""
    store, first, never = MemoryCache(100_000), CacheScope("account", "0"), CacheScope("account", "never purged")
    begun, unpurged = look(store, first, b"")[1], look(store, never, b"")[1]
    for number in range(GENERATIONS):
        at_once(store.purge(Purge(account_id="account", gateway_id=str(number))))
    assert look(store, never, b"")[1] == unpurged
    last = CacheScope("account", str(GENERATIONS - 1))
    latest = look(store, last, b"")[1]
    at_once(store.purge(Purge(account_id="account", gateway_id="one more")))
    assert look(store, first, b"")[1] != begun
    assert look(store, never, b"")[1] != unpurged
    assert look(store, last, b"")[1] == latest
    assert len(store._purged) == GENERATIONS


def test_a_busy_gateway_clears_up_behind_itself() -> None:
    store, scope, other = MemoryCache(10_000_000), SCOPES[0], SCOPES[1]
    fill(store, scope, 100, expires_at=10.0)
    fill(store, other, 3, expires_at=10.0)
    for number in range(100 // CLEARED):
        assert at_once(store.holdings(scope, 5.0)).entries == 100 - CLEARED * number
        assert look(store, scope, b"absent", 20.0)[0] is None
    assert at_once(store.holdings(scope, 5.0)).entries == 0
    assert at_once(store.holdings(other, 5.0)).entries == 3
    assert store._shelves.keys() == {other} and set(store._accounts) == {other.account_id}


class Unread(tuple[str, ...]):
    """Names that may be looked at while they are put in, and no more."""

    sealed = False

    def __iter__(self) -> Iterator[str]:
        assert not Unread.sealed
        return super().__iter__()


def test_a_purge_walks_its_own_alone() -> None:
    store, mine = MemoryCache(1 << 30), CacheScope("one", "mine")
    others = [CacheScope(account, f"other-{number}") for account in ACCOUNTS for number in range(100)]
    for scope in others:
        fill(store, scope, 100, models=Unread(("openai/gpt-4o",)))
    fill(store, mine, 1, models=("openai/gpt-4o",))
    Unread.sealed = True
    assert at_once(store.purge(Purge(account_id="one", gateway_id="mine", models=("OpenAI/gpt-4o",)))) == 1
    assert at_once(store.purge(Purge(account_id="one"))) == 10_000
    assert at_once(store.purge(Purge(account_id="two"))) == 10_000
    assert not store._shelves and not store._accounts and not store._by_use and store._bytes == 0
