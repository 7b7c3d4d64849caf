"""How much the upstream transport may hold: connections, waiting callers, bytes of a head, bytes not yet read."""

from __future__ import annotations

import msgspec


class TransportLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are per origin unless the name says otherwise. An idle connection is closed after
    `idle_expiry_seconds`; reading pauses while a caller leaves more than `high_water_bytes` unread."""

    max_connections_per_origin: int = 10_000
    max_idle_per_origin: int = 256
    max_waiting_per_origin: int = 10_000
    max_origins: int = 1024
    idle_expiry_seconds: float = 60.0
    max_head_bytes: int = 64 * 1024
    max_header_count: int = 256
    high_water_bytes: int = 64 * 1024
