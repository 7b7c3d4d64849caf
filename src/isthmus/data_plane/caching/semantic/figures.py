"""How the semantic cache does, gateway by gateway: what was found, and what came of the answers that were checked."""

from __future__ import annotations

from collections import OrderedDict, deque

from isthmus.core.caching.answer import CacheScope
from isthmus.core.caching.semantic import SemanticFigures

SAMPLES_MAX = 2000
"""Of one gateway, the last ones."""

GATEWAYS_MAX = 1000
SAMPLES_LEAST = 100
"""Of fewer nobody can say that one in a hundred is wrong."""

ERROR_RATE_MAX = 0.01


class _Tally:
    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.samples: deque[tuple[float, bool]] = deque(maxlen=SAMPLES_MAX)


class Figures:
    """One a process. Gateways that nobody has called for the longest time are forgotten."""

    def __init__(self) -> None:
        self._tallies: OrderedDict[CacheScope, _Tally] = OrderedDict()

    def hit(self, scope: CacheScope) -> None:
        self._tally(scope).hits += 1

    def missed(self, scope: CacheScope) -> None:
        self._tally(scope).misses += 1

    def checked(self, scope: CacheScope, score: float, agreed: bool) -> None:
        self._tally(scope).samples.append((score, agreed))

    def of(self, scope: CacheScope, vectors: int) -> SemanticFigures:
        tally = self._tallies.get(scope) or _Tally()
        checked = len(tally.samples)
        wrong = sum(not agreed for _, agreed in tally.samples)
        return SemanticFigures(
            hits=tally.hits,
            misses=tally.misses,
            vectors=vectors,
            checked=checked,
            wrong=wrong,
            error_rate=round(wrong / checked, 4) if checked else None,
            threshold_for_1_percent=threshold_for(tally.samples),
        )

    def _tally(self, scope: CacheScope) -> _Tally:
        tally = self._tallies.get(scope)
        if tally is None:
            tally = self._tallies[scope] = _Tally()
            if len(self._tallies) > GATEWAYS_MAX:
                self._tallies.popitem(last=False)
        self._tallies.move_to_end(scope)
        return tally


def threshold_for(samples: deque[tuple[float, bool]]) -> float | None:
    """The lowest score at which, and above which, so few were wrong; None where that cannot be said of any."""
    found = None
    wrong = 0
    by_score = sorted(samples, reverse=True)
    for place, (score, agreed) in enumerate(by_score, 1):
        wrong += not agreed
        is_last_of_score = place == len(by_score) or by_score[place][0] < score
        if is_last_of_score and place >= SAMPLES_LEAST and wrong <= ERROR_RATE_MAX * place:
            found = round(score, 4)
    return found
