"""Questions by what they mean, in memory: against a list that is searched from end to end."""

from __future__ import annotations

from typing import Any

import numpy
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from isthmus.core.caching.answer import CacheScope
from isthmus.core.caching.semantic import Partition
from isthmus.storage.memory.vectors import ENTRY_BYTES, MemoryVectors
from isthmus.storage.protocols import VectorEntry

SCOPE = CacheScope("account", "gateway")
PARTITIONS = [Partition(SCOPE, b"1"), Partition(SCOPE, b"2"), Partition(CacheScope("account", "other"), b"1")]
DIMENSIONS = 8


def vector(seed: int) -> bytes:
    made: Any = numpy.random.default_rng(seed).normal(size=DIMENSIONS)
    return bytes((made / numpy.linalg.norm(made)).astype("<f4").tobytes())


def cosine(one: bytes, other: bytes) -> float:
    return float(numpy.frombuffer(one, "<f4") @ numpy.frombuffer(other, "<f4"))


def entry(key: int, seed: int, expires_at: float = 100.0, text: str = "") -> VectorEntry:
    return VectorEntry(vector=vector(seed), key=b"%d" % key, text=text, expires_at=expires_at)


SEEDS = st.integers(0, 30)
PLACES = st.sampled_from(PARTITIONS)


def finished(work: Any) -> Any:
    """Nothing in it waits, once numpy is here."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")


class Index(RuleBasedStateMachine):
    """A partition holds five; all that are ever made fit."""

    def __init__(self) -> None:
        super().__init__()
        self.index = MemoryVectors(10**6, partition_max=5)
        self.index._numpy = numpy
        self.held: dict[Partition, dict[bytes, VectorEntry]] = {partition: {} for partition in PARTITIONS}
        self.now = 0.0

    @rule(partition=PLACES, key=SEEDS, seed=SEEDS, life=st.integers(1, 20))
    def add(self, partition: Partition, key: int, seed: int, life: int) -> None:
        made = entry(key, seed, self.now + life)
        held = self.held[partition]
        held.pop(made.key, None)
        if len(held) == 5:
            del held[next(iter(held))]
        held[made.key] = made
        self.index.add(partition, made)

    @rule(partition=PLACES, key=SEEDS)
    def remove(self, partition: Partition, key: int) -> None:
        self.held[partition].pop(b"%d" % key, None)
        self.index.remove(partition, b"%d" % key)

    @rule(partition=PLACES, seed=SEEDS, threshold=st.floats(-1, 1), most=st.integers(1, 6))
    def look(self, partition: Partition, seed: int, threshold: float, most: int) -> None:
        asked = vector(seed)
        held = self.held[partition]
        scores = {each.key: cosine(asked, each.vector) for each in held.values()}
        if any(abs(score - threshold) < 1e-5 for score in scores.values()):
            return
        near = [each for each in held.values() if scores[each.key] >= threshold]
        for each in near:
            if each.expires_at <= self.now:
                del held[each.key]
        wanted = sorted((scores[each.key] for each in near if each.expires_at > self.now), reverse=True)[:most]
        found = finished(self.index.nearest(partition, asked, threshold, most, self.now))
        assert [round(each.score, 4) for each in found] == [round(score, 4) for score in wanted]
        assert all(abs(each.score - scores[each.key]) < 1e-5 for each in found)

    @rule(seconds=st.integers(1, 5))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def is_counted(self) -> None:
        live = [
            each for partition in PARTITIONS[:2] for each in self.held[partition].values() if each.expires_at > self.now
        ]
        assert finished(self.index.count(SCOPE, self.now)) == len(live)
        held = [each for partition in PARTITIONS for each in self.held[partition].values()]
        assert self.index._bytes == len(held) * (ENTRY_BYTES + 4 * DIMENSIONS)


TestIndex = Index.TestCase
TestIndex.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


async def test_the_oldest_of_all_go_first() -> None:
    index = MemoryVectors(3 * (ENTRY_BYTES + 4 * DIMENSIONS + 10))
    for number, partition in enumerate([*PARTITIONS, *PARTITIONS]):
        assert await index.nearest(partition, vector(number), 0, 8, 0.0) is not None
        index.add(partition, entry(number, number, text="x" * 10))
    assert [await index.count(scope, 0.0) for scope in (SCOPE, CacheScope("account", "other"))] == [2, 1]
    (near,) = await index.nearest(PARTITIONS[0], vector(3), 0.99, 8, 0.0)
    assert near.key == b"3"
    index.add(PARTITIONS[0], entry(9, 9, text="x" * 10_000))  # larger than all that may be kept
    assert await index.count(SCOPE, 0.0) == 2
