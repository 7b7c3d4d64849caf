"""The caller's `cf-aig-*` headers (data-plane 6): one typed reading. A malformed value counts as absent (6.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from isthmus.core.attempt import Backoff
from isthmus.core.call import NO_OPTIONS, CallOptions
from isthmus.routing.retry import ATTEMPTS_MAX, DELAY_MAX_SECONDS

METADATA_MAX_ENTRIES = 5
METADATA_MAX_BYTES = 8192
EVENT_ID_MAX = 128
TIMEOUT_MAX_MS = 3_600_000

_EVENT_ID = re.compile(rb"[\x21-\x7e]{1,%d}\Z" % EVENT_ID_MAX)
_DIGITS = re.compile(rb"[0-9]{1,9}\Z")
_BACKOFFS: Mapping[bytes, Backoff] = {b"constant": "constant", b"linear": "linear", b"exponential": "exponential"}

# What the `config` of a step of the universal endpoint says, as the headers that say the same (data-plane 7.3).
CONFIG: Mapping[str, bytes] = {
    "requestTimeout": b"cf-aig-request-timeout",
    "maxAttempts": b"cf-aig-max-attempts",
    "retryDelay": b"cf-aig-retry-delay",
    "backoff": b"cf-aig-backoff",
    "cacheTtl": b"cf-aig-cache-ttl",
    "skipCache": b"cf-aig-skip-cache",
}


def read_options(headers: Mapping[bytes, bytes]) -> CallOptions:
    for name in headers:  # a loop: a generator costs three times as much, on every call
        if name[:7] == b"cf-aig-":
            return _options(headers)
    return NO_OPTIONS


def _options(headers: Mapping[bytes, bytes]) -> CallOptions:
    gateway_id = headers.get(b"cf-aig-gateway-id", b"").strip()
    event_id = headers.get(b"cf-aig-event-id", b"").strip()
    return CallOptions(
        gateway_id=gateway_id.decode("latin-1") or None,
        event_id=event_id.decode() if _EVENT_ID.match(event_id) else None,
        collect_log=_flag(headers.get(b"cf-aig-collect-log")),
        collect_log_payload=_flag(headers.get(b"cf-aig-collect-log-payload")) is not False,
        metadata=_metadata(headers.get(b"cf-aig-metadata")),
        strict_fidelity=headers.get(b"cf-aig-fidelity", b"").strip().lower() == b"strict",
        resumable=_flag(headers.get(b"cf-aig-resumable")) is True,
        request_timeout_seconds=_seconds(headers.get(b"cf-aig-request-timeout"), TIMEOUT_MAX_MS / 1000) or None,
        max_attempts=_attempts(headers.get(b"cf-aig-max-attempts")),
        retry_delay_seconds=_seconds(headers.get(b"cf-aig-retry-delay"), DELAY_MAX_SECONDS),
        backoff=_BACKOFFS.get(headers.get(b"cf-aig-backoff", b"").strip().lower()),
    )


def _flag(value: bytes | None) -> bool | None:
    return {b"true": True, b"false": False}.get((value or b"").strip().lower())


def _seconds(value: bytes | None, most: float) -> float | None:
    """Of milliseconds; `most` where there are more."""
    if value is None or not _DIGITS.match(value.strip()):
        return None
    return min(int(value) / 1000, most)


def _attempts(value: bytes | None) -> int | None:
    """At most five (data-plane 9.7); none at all is no number of attempts."""
    if value is None or not _DIGITS.match(value.strip()):
        return None
    return min(int(value), ATTEMPTS_MAX) or None


def _metadata(value: bytes | None) -> str | None:
    """The first five flat entries, as JSON text (data-plane 11.4). Keys that start with `cf.` are the platform's."""
    if value is None or len(value) > METADATA_MAX_BYTES:
        return None
    try:
        entries = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    kept: dict[str, str | int | float | bool | None] = {}
    for key, entry in entries.items():
        if len(kept) == METADATA_MAX_ENTRIES:
            break
        if key.startswith("cf.") or not isinstance(entry, str | int | float | bool | None):
            continue
        kept[key] = str(entry) if isinstance(entry, int) and abs(entry) >= 2**53 else entry
    return msgspec.json.encode(kept).decode() if kept else None
