"""What a call has to do with the cache: decided once, then filled in on the way."""

from __future__ import annotations

from typing import Literal

from isthmus.core.caching.answer import CacheScope

CacheStatus = Literal["HIT", "MISS", "SEMANTIC"]

# What callers are told of it.
STATUS = b"cf-aig-cache-status"
SCORE = b"cf-aig-cache-score"
AGE = b"age"
KEY = b"cf-aig-cache-key"  # what the answer is kept under, in hex; the text of a caller's own key is not said


def of_cache(header: bytes) -> bool:
    return header == AGE or header.startswith(b"cf-aig-cache-")


class CacheUse:
    """`key`: 32 bytes that stand for all that the answer depends on, the scope apart. `reads` False: none is looked
    for; `keeps` False: none is kept. `generation`: the scope's when it was looked at; what has been purged since is not
    kept. `status` is the caller's to know; HIT and SEMANTIC mean that no provider was asked."""

    __slots__ = ("generation", "keeps", "key", "reads", "scope", "status", "ttl_seconds")

    def __init__(self, scope: CacheScope, key: bytes, ttl_seconds: int, reads: bool) -> None:
        self.scope = scope
        self.key = key
        self.ttl_seconds = ttl_seconds
        self.reads = reads
        self.generation = 0
        self.keeps = True
        self.status: CacheStatus = "MISS"
