"""What the value of an option means, one function a kind (data-plane 6.2). A value that cannot be taken as it stands is
`Odd`: it counts as absent, or is bent to fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from isthmus.core.attempt import Backoff
from isthmus.routing.retry import ATTEMPTS_MAX, DELAY_MAX_SECONDS

CACHE_TTL_MIN_SECONDS = 60
CACHE_TTL_MAX_SECONDS = 2_592_000
CACHE_KEY_MAX_CHARACTERS = 1024
EVENT_ID_MAX = 128
TIMEOUT_MAX_MS = 3_600_000
DELAY_MAX_MS = round(DELAY_MAX_SECONDS * 1000)

_EVENT_ID = re.compile(rb"[\x21-\x7e]{1,%d}\Z" % EVENT_ID_MAX)
_DIGITS = re.compile(rb"[0-9]{1,100}\Z")  # a number of more is none: its reading would take long
_FLAGS: Mapping[bytes, bool] = {b"true": True, b"false": False}
_BACKOFFS: Mapping[bytes, Backoff] = {b"constant": "constant", b"linear": "linear", b"exponential": "exponential"}

Fate = Literal["ignored", "clamped"]


class Odd(msgspec.Struct, frozen=True):
    """`value` None: it counts as absent. `told`: all that happened to it, fate and reason, nothing of its own text."""

    value: object
    told: tuple[tuple[Fate, str], ...]


def ignored(why: str) -> Odd:
    return Odd(None, (("ignored", why),))


def clamped(value: object, why: str) -> Odd:
    return Odd(value, (("clamped", why),))


_NO_FLAG = ignored("it is neither true nor false")
_NO_SECONDS = ignored("it is no whole number of seconds")
_NO_MILLISECONDS = ignored("it is no whole number of milliseconds")
_NO_TIME = ignored("it is no whole number of milliseconds from 1 on")
_NO_ATTEMPTS = ignored("it is no whole number from 1 on")
_NO_BACKOFF = ignored("it is none of constant, linear, exponential")
_NO_EVENT_ID = ignored(f"it is not 1 to {EVENT_ID_MAX} visible ASCII characters")
_NOT_STRICT = ignored("the only value is strict")
_EMPTY = ignored("it is empty")
_LONG_KEY = ignored(f"it is longer than {CACHE_KEY_MAX_CHARACTERS} characters")
_TTL_RAISED = clamped(CACHE_TTL_MIN_SECONDS, f"raised to {CACHE_TTL_MIN_SECONDS} seconds")
_TTL_CUT = clamped(CACHE_TTL_MAX_SECONDS, f"cut to {CACHE_TTL_MAX_SECONDS} seconds")
_TIME_CUT = clamped(TIMEOUT_MAX_MS / 1000, f"cut to {TIMEOUT_MAX_MS} milliseconds")
_DELAY_CUT = clamped(DELAY_MAX_SECONDS, f"cut to {DELAY_MAX_MS} milliseconds")
_ATTEMPTS_CUT = clamped(ATTEMPTS_MAX, f"cut to {ATTEMPTS_MAX}")


def flag(value: bytes) -> bool | Odd:
    return _FLAGS.get(value.strip().lower(), _NO_FLAG)


def cache_ttl(value: bytes) -> int | Odd:
    """0 leaves the cache out of it."""
    seconds = _whole(value)
    if seconds is None:
        return _NO_SECONDS
    if seconds > CACHE_TTL_MAX_SECONDS:
        return _TTL_CUT
    return seconds if seconds == 0 or seconds >= CACHE_TTL_MIN_SECONDS else _TTL_RAISED


def request_timeout(value: bytes) -> float | Odd:
    milliseconds = _whole(value)
    if not milliseconds:
        return _NO_TIME
    return milliseconds / 1000 if milliseconds <= TIMEOUT_MAX_MS else _TIME_CUT


def retry_delay(value: bytes) -> float | Odd:
    milliseconds = _whole(value)
    if milliseconds is None:
        return _NO_MILLISECONDS
    return milliseconds / 1000 if milliseconds <= DELAY_MAX_MS else _DELAY_CUT


def max_attempts(value: bytes) -> int | Odd:
    """At most five (data-plane 9.7); none at all is no number of attempts."""
    attempts = _whole(value)
    if not attempts:
        return _NO_ATTEMPTS
    return attempts if attempts <= ATTEMPTS_MAX else _ATTEMPTS_CUT


def backoff(value: bytes) -> Backoff | Odd:
    return _BACKOFFS.get(value.strip().lower(), _NO_BACKOFF)


def event_id(value: bytes) -> str | Odd:
    """It goes into a header again."""
    value = value.strip()
    return value.decode() if _EVENT_ID.match(value) else _NO_EVENT_ID


def gateway_id(value: bytes) -> str | Odd:
    return _text(value) or _EMPTY


def cache_key(value: bytes) -> str | Odd:
    key = _text(value)
    if not key:
        return _EMPTY
    return key if len(key) <= CACHE_KEY_MAX_CHARACTERS else _LONG_KEY


def strict(value: bytes) -> bool | Odd:
    return True if value.strip().lower() == b"strict" else _NOT_STRICT


def _whole(value: bytes) -> int | None:
    value = value.strip()
    return int(value) if _DIGITS.match(value) else None


def _text(value: bytes) -> str:
    """UTF-8, as it is in a body; else what `fetch` sends, a byte a character."""
    value = value.strip()
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
