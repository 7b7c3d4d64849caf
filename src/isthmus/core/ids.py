"""Ids for calls: UUIDv7 (RFC 9562, 5.7), so that rows sort by time; and safe ids for everything else."""

from __future__ import annotations

import random
import secrets
import time

_random = random.Random(secrets.randbits(128))  # not secrets: ids are unique, and nobody's safety hangs on them

_VARIANT = {"0": "8", "1": "9", "2": "a", "3": "b"}


def uuid7() -> str:
    """48 bits of milliseconds since the epoch, then 74 random ones."""
    moment = f"{time.time_ns() // 1_000_000:012x}"
    noise = f"{_random.getrandbits(74):019x}"
    # The first digit of `noise` holds two bits: with RFC 9562's variant they make one of 8, 9, a, b.
    return f"{moment[:8]}-{moment[8:]}-7{noise[1:4]}-{_VARIANT[noise[0]]}{noise[4:7]}-{noise[7:]}"


def hexadecimal(digits: int = 32) -> str:
    return secrets.token_hex(digits // 2)
