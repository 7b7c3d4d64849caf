"""How much a call used. Counts are inclusive: cached and reasoning tokens are parts of input and output tokens."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts. `input_tokens` includes `cache_read_tokens` and `cache_write_tokens`; `output_tokens` includes
    `reasoning_tokens`. Each dialect's reader normalises to that (data-plane 16.5)."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens
