"""Cached answers in one process's memory: bounded in bytes, the longest unused goes first.

What has expired goes when it is asked for; two of a scope, those kept the longest, with every look at the scope that
finds nothing, so that a busy gateway clears up behind itself; the rest as what is the longest unused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import msgspec

from isthmus.core.caching.answer import CacheScope
from isthmus.storage.protocols import CacheEntry, CacheHoldings, Purge

ENTRY_BYTES = 640
"""What an entry costs beside its answer and its models' characters, which take up four bytes at most."""

GENERATIONS = 4096
"""Purged scopes and accounts whose generations are remembered by themselves. The longest ago is forgotten by raising
that of all who have none: what they are just being given is not kept, and nothing else comes of it."""

CLEARED = 2
"""Expired entries that go with a look that finds nothing: more than the one that may come of it."""


class _Held(msgspec.Struct, eq=False, gc=False):
    """An entry, and where it stands. Nothing for the garbage collector to walk: it would hold up all calls by 0.1 s
    where there are a hundred thousand."""

    scope: CacheScope
    key: bytes
    entry: CacheEntry
    size: int


_Shelf = OrderedDict[bytes, _Held]
"""One scope's, in the order in which they were kept."""

_NOTHING: Mapping[bytes, _Held] = MappingProxyType({})


class MemoryCache:
    """A `Cache`. Nothing here waits, so that each operation is one step."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._by_use: OrderedDict[_Held, None] = OrderedDict()
        self._shelves: dict[CacheScope, _Shelf] = {}
        self._accounts: dict[str, set[CacheScope]] = {}
        self._purges = 0
        self._purged: OrderedDict[CacheScope | str, int] = OrderedDict()
        self._forgotten = 0

    async def get(self, scope: CacheScope, key: bytes, now: float) -> tuple[bytes | None, int]:
        shelf = self._shelves.get(scope)
        if shelf is None:
            return None, self._generation(scope)
        held = shelf.get(key)
        if held is not None and held.entry.expires_at > now:
            self._by_use.move_to_end(held)
            return held.entry.answer, self._generation(scope)
        if held is not None:
            self._remove(held)
        self._clear(shelf, now)
        return None, self._generation(scope)

    def put(self, scope: CacheScope, key: bytes, entry: CacheEntry, generation: int) -> None:
        held = _Held(scope, key, entry, _size(entry))
        if generation != self._generation(scope) or held.size > self._max_bytes:
            return
        shelf = self._shelves.get(scope)
        if shelf is not None and key in shelf:
            self._remove(shelf[key])
        self._bytes += held.size
        while self._bytes > self._max_bytes:
            self._remove(next(iter(self._by_use)))
        self._by_use[held] = None
        self._shelf(scope)[key] = held

    async def purge(self, purge: Purge) -> int:
        touched = purge.account_id if purge.gateway_id is None else CacheScope(purge.account_id, purge.gateway_id)
        self._purges += 1
        self._purged[touched] = self._purges
        self._purged.move_to_end(touched)
        if len(self._purged) > GENERATIONS:
            self._forgotten = self._purged.popitem(last=False)[1]
        scopes = self._accounts.get(touched, ()) if isinstance(touched, str) else (touched,)
        going = [held for scope in scopes for held in _named(self._shelves.get(scope, _NOTHING), purge)]
        for held in going:
            self._remove(held)
        return len(going)

    async def holdings(self, scope: CacheScope, now: float) -> CacheHoldings:
        shelf = self._shelves.get(scope, _NOTHING)
        sizes = [held.size for held in shelf.values() if held.entry.expires_at > now]
        return CacheHoldings(entries=len(sizes), bytes=sum(sizes))

    def _shelf(self, scope: CacheScope) -> _Shelf:
        """One goes with its last entry."""
        shelf = self._shelves.get(scope)
        if shelf is None:
            shelf = self._shelves[scope] = OrderedDict()
            self._accounts.setdefault(scope.account_id, set()).add(scope)
        return shelf

    def _generation(self, scope: CacheScope) -> int:
        purged = self._purged
        if not purged:
            return self._forgotten
        own, accounts = purged.get(scope, self._forgotten), purged.get(scope.account_id, self._forgotten)
        return own if own > accounts else accounts

    def _clear(self, shelf: _Shelf, now: float) -> None:
        for _ in range(min(CLEARED, len(shelf))):
            held = next(iter(shelf.values()))
            if held.entry.expires_at > now:
                return
            self._remove(held)

    def _remove(self, held: _Held) -> None:
        self._bytes -= held.size
        del self._by_use[held]
        shelf = self._shelves[held.scope]
        del shelf[held.key]
        if not shelf:
            del self._shelves[held.scope]
            scopes = self._accounts[held.scope.account_id]
            scopes.remove(held.scope)
            if not scopes:
                del self._accounts[held.scope.account_id]


def _size(entry: CacheEntry) -> int:
    return ENTRY_BYTES + len(entry.answer) + 4 * len("".join(entry.models))


def _named(shelf: Mapping[bytes, _Held], purge: Purge) -> Iterator[_Held]:
    """What of these the purge names."""
    found: Iterable[_Held] = shelf.values()
    if purge.keys is not None:
        found = [held for key in set(purge.keys) if (held := shelf.get(key)) is not None]
    models = None if purge.models is None else set(map(_folded, purge.models))
    for held in found:
        if purge.provider is not None and held.entry.provider != purge.provider:
            continue
        if models is None or not models.isdisjoint(map(_folded, held.entry.models)):
            yield held


def _folded(model: str) -> str:
    """One name in any case, with dots or with hyphens."""
    return model.lower().replace(".", "-")
