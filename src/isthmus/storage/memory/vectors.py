"""Questions by what they mean, in one process's memory: compared one with all of their partition, by numpy."""

from __future__ import annotations

import asyncio
import importlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from isthmus.core.caching.answer import CacheScope
from isthmus.core.caching.semantic import Partition
from isthmus.storage.protocols import Near, VectorEntry

ENTRY_BYTES = 512
"""What an entry costs beside its vector and its text."""

PARTITION_MAX = 2000
"""Of so many the nearest is found in a third of a millisecond, which the event loop waits for."""

FIRST_ROWS = 16


class MemoryVectors:
    """A `VectorIndex`. Numpy takes 100 ms to load: it is loaded when the first question is looked up, in a thread."""

    def __init__(self, max_bytes: int, partition_max: int = PARTITION_MAX) -> None:
        self._max_bytes = max_bytes
        self._partition_max = partition_max
        self._bytes = 0
        self._ages: OrderedDict[tuple[Partition, bytes], int] = OrderedDict()  # to its size, the oldest first
        self._partitions: dict[Partition, _Rows] = {}
        self._numpy: Any = None

    async def nearest(
        self, partition: Partition, vector: bytes, threshold: float, most: int, now: float
    ) -> Sequence[Near]:
        if self._numpy is None:
            self._numpy = await asyncio.to_thread(importlib.import_module, "numpy")
        rows = self._partitions.get(partition)
        if rows is None:
            return ()
        found: list[Near] = []
        for score, entry in rows.nearest(vector, threshold):
            if entry.expires_at <= now:
                self.remove(partition, entry.key)
            elif len(found) < most:
                found.append(Near(key=entry.key, text=entry.text, score=score))
        return found

    def add(self, partition: Partition, entry: VectorEntry) -> None:
        size = ENTRY_BYTES + len(entry.vector) + len(entry.text.encode("utf-8", "surrogatepass"))
        self.remove(partition, entry.key)
        if self._numpy is None or size > self._max_bytes:
            return
        rows = self._partitions.get(partition)
        if rows is not None and len(rows.entries) >= self._partition_max:
            self.remove(partition, rows.oldest())
            rows = self._partitions.get(partition)
        while self._bytes + size > self._max_bytes:
            self.remove(*next(iter(self._ages)))
            rows = self._partitions.get(partition)
        if rows is None:
            rows = self._partitions[partition] = _Rows(self._numpy)
        rows.add(entry)
        self._ages[partition, entry.key] = size
        self._bytes += size

    def remove(self, partition: Partition, key: bytes) -> None:
        size = self._ages.pop((partition, key), None)
        if size is None:
            return
        self._bytes -= size
        rows = self._partitions[partition]
        rows.remove(key)
        if not rows.entries:
            del self._partitions[partition]

    async def count(self, scope: CacheScope, now: float) -> int:
        return sum(
            entry.expires_at > now
            for partition, rows in self._partitions.items()
            if partition.scope == scope
            for entry in rows.entries.values()
        )


class _Rows:
    """One partition: its entries, the oldest first, and their vectors in one matrix."""

    def __init__(self, numpy: Any) -> None:
        self.entries: OrderedDict[bytes, VectorEntry] = OrderedDict()
        self._numpy = numpy
        self._matrix: Any = None
        self._keys: list[bytes] = []  # by row
        self._row_of: dict[bytes, int] = {}

    def oldest(self) -> bytes:
        return next(iter(self.entries))

    def nearest(self, vector: bytes, threshold: float) -> list[tuple[float, VectorEntry]]:
        numpy = self._numpy
        asked = numpy.frombuffer(vector, dtype="<f4")
        if asked.shape[0] != self._matrix.shape[1]:
            return []
        scores = self._matrix[: len(self._keys)] @ asked
        (rows,) = numpy.nonzero(scores >= numpy.float32(threshold))
        found = [(float(scores[row]), self.entries[self._keys[row]]) for row in rows.tolist()]
        return sorted(found, key=_score, reverse=True)

    def add(self, entry: VectorEntry) -> None:
        numpy = self._numpy
        vector = numpy.frombuffer(entry.vector, dtype="<f4")
        count = len(self._keys)
        if self._matrix is None:
            self._matrix = numpy.zeros((FIRST_ROWS, vector.shape[0]), dtype=numpy.float32)
        elif count == self._matrix.shape[0]:
            self._matrix = numpy.concatenate((self._matrix, numpy.zeros_like(self._matrix)))
        self._matrix[count] = vector
        self._keys.append(entry.key)
        self._row_of[entry.key] = count
        self.entries[entry.key] = entry

    def remove(self, key: bytes) -> None:
        """The last row takes its place."""
        row, last = self._row_of.pop(key), self._keys.pop()
        del self.entries[key]
        if last != key:
            self._matrix[row] = self._matrix[len(self._keys)]
            self._keys[row] = last
            self._row_of[last] = row


def _score(found: tuple[float, VectorEntry]) -> float:
    return found[0]
