"""Moments as the API writes them: RFC 3339 text for seconds since the epoch."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def write_instant(seconds: float) -> str:
    """E.g. `2026-01-02T03:04:05.678Z`."""
    moment = datetime.fromtimestamp(round(seconds, 3), tz=UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def read_instant(text: str) -> float:
    """Raises `ValueError`. A space where the zone's `+` was is taken as one: some HTTP libraries do not encode it in
    a query. Without a zone: UTC."""
    head, gap, zone = text.strip().rpartition(" ")
    if gap and "T" in head and len(zone) in (4, 5):
        text = f"{head}+{zone}"
    moment = datetime.fromisoformat(text.strip())
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise ValueError(f"{text} is no moment")
    return seconds
