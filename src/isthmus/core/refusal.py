"""Turns an error into the answer that the caller is given, in the caller's dialect."""

from __future__ import annotations

import math

from isthmus.core.call import Call
from isthmus.core.entry import End
from isthmus.core.reply import Reply
from isthmus.errors import (
    CallerLeft,
    GatewayError,
    InternalError,
    Interrupted,
    Malformed,
    MethodNotAllowed,
    PolicyError,
    RequestError,
    TimedOut,
    TimedOutReading,
    UpstreamError,
)

TRY_AGAIN = "Try your request again."


def refuse(call: Call, error: GatewayError) -> Reply:
    """The provider's own answer where it has one in the caller's dialect (data-plane E4), else our words. What the
    call's row will say of it is set on the way."""
    note(call, error)
    native = error.native if isinstance(error, UpstreamError) else None
    if native is not None and native.dialect == call.dialect and not call.endpoint.enveloped:
        call.status = native.status
        reply = Reply(native.status, content_type=native.content_type.encode(), dialect=native.dialect, whole=True)
        reply.body = native.body
        reply.headers.extend(native.headers)
    else:
        call.status = error.status
        errors = call.endpoint.errors
        reply = Reply(error.status, content_type=b"application/json", dialect=errors.name, whole=True)
        reply.body = errors.write_error(error, call.id)
    if error.retry_after is not None:
        reply.headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    if isinstance(error, MethodNotAllowed):
        reply.headers.append((b"allow", error.allow.encode()))
    if isinstance(error, TimedOutReading):
        reply.headers.append((b"connection", b"close"))
    return reply


def cut_short(call: Call) -> GatewayError:
    """Why a call was cancelled."""
    if call.caller_left:
        return CallerLeft("The caller hung up before the end of the answer.")
    return InternalError("The gateway was stopped before the end of the answer.", status=503)


def note(call: Call, error: GatewayError) -> None:
    """Writes down how the call ended."""
    call.error = error
    call.end = _end(error)
    if isinstance(error, CallerLeft) or not call.status:
        call.status = error.status


def break_off(call: Call, error: GatewayError) -> None:
    """The same where the caller has part of the answer: however the provider failed, it stopped in the middle. No
    status can say any more that it is worth another try: coding agents (opencode 1.18) look for the words."""
    if isinstance(error, Interrupted | Malformed | TimedOut | InternalError):
        error.message = f"{error.message} {TRY_AGAIN}"
    note(call, error)
    if isinstance(error, UpstreamError):
        call.end = "interrupted"


def _end(error: GatewayError) -> End:
    if isinstance(error, CallerLeft):
        return "caller_left"
    if isinstance(error, RequestError | PolicyError):
        return "refused"
    if isinstance(error, TimedOut):
        return "timed_out"
    if isinstance(error, Interrupted):
        return "interrupted"
    return "provider_error" if isinstance(error, UpstreamError) else "failed"
