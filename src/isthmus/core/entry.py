"""One log row: what is known of a call when it has ended, however it ended (data-plane 11.2)."""

from __future__ import annotations

from typing import Literal

import msgspec

End = Literal[
    "completed",  # the caller has all of the answer
    "refused",  # we said no before any provider was asked
    "provider_error",  # the provider said no, or could not be reached
    "timed_out",
    "interrupted",  # the provider stopped in the middle
    "caller_left",
    "failed",  # our own fault
]


class LogEntry(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Times in epoch seconds, durations in milliseconds, sizes in bytes. Token counts None: not known.

    `array_like`: it is written to the journal once a call, positions instead of names. New fields go at the end, with
    a default, so that an older journal can still be read.
    """

    id: str
    account_id: str
    gateway_id: str
    created_at: float
    end: End
    provider: str
    model: str
    path: str
    status_code: int
    success: bool
    duration_ms: int
    first_byte_ms: int | None
    event_id: str
    request_type: str
    model_type: str = "Text Generation"
    request_content_type: str | None = None
    response_content_type: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    streamed: bool = False
    cached: bool = False
    step: int = 0
    metadata: str | None = None
    user_agent: str | None = None
    authentication: bool = True
    wholesale: bool = False
    error_code: int | None = None
    error_message: str | None = None
    notes: str | None = None  # JSON: `core.chat.fidelity.Note`s
    request_size: int = 0
    response_size: int = 0
    request_body: bytes | None = None
    response_body: bytes | None = None
    request_complete: bool = True
    response_complete: bool = True
