"""How much a call used. Counts are inclusive: cached and reasoning tokens are parts of input and output tokens."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts. Parts of `input_tokens` are `cache_read_tokens`, `cache_write_tokens` (`cache_write_1h_tokens` is
    the part of them that is kept for an hour) and `input_audio_tokens`; parts of `output_tokens` are `reasoning_tokens`
    and `output_audio_tokens`. Each dialect's reader normalises to that (data-plane 16.5).

    `web_searches` counts calls of the provider's own search, which it bills. `service_tier` is the tier that served the
    call, in the provider's word, None where it does not say.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    web_searches: int = 0
    service_tier: str | None = None

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens
