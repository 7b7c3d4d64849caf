"""Ids for calls: UUIDv7 (RFC 9562, 5.7), so that rows sort by time; and safe ids for everything else."""

from __future__ import annotations

import random
import secrets
import time

_random = random.Random(secrets.randbits(128))  # not secrets: ids are unique, and nobody's safety hangs on them


def uuid7() -> str:
    """48 bits of milliseconds since the epoch, then 74 random ones. 0.6 µs."""
    value = time.time_ns() // 1_000_000 << 80 | _random.getrandbits(80)
    text = f"{value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def hexadecimal(digits: int = 32) -> str:
    return secrets.token_hex(digits // 2)
