"""Questions that mean the same: which of them may share an answer, and what is known of how well that goes."""

from __future__ import annotations

import msgspec

from isthmus.core.caching.answer import CacheScope


class Partition(msgspec.Struct, frozen=True, gc=False):
    """Questions of two partitions never meet. `rest`: 32 bytes that stand for all that an answer depends on beside the
    words of the question."""

    scope: CacheScope
    rest: bytes


class SemanticFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of this process, since its start. `vectors`: questions that can be found. `checked`: answers that were compared
    with a real one in the shadow, the last ones; `wrong`: those that said something else. `threshold_for_1_percent`:
    the lowest one at which one in a hundred or fewer were wrong; None where too few were checked to say."""

    hits: int = 0
    misses: int = 0
    vectors: int = 0
    checked: int = 0
    wrong: int = 0
    error_rate: float | None = None
    threshold_for_1_percent: float | None = None
