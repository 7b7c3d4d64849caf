"""What an HTTP status means, for every dialect alike: which of our errors it is, and what callers see it called."""

from __future__ import annotations

from isthmus.errors import Malformed, Rejected, Throttled, TimedOut, Unavailable, UpstreamError

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

PASSING = (409, 425)
"""Refusals that may not come again: a conflict, and what came too early (data-plane 9.7)."""


def error_type(status: int) -> str:
    """The `type` of an error that has no name of its own (data-plane 5.1)."""
    known = _TYPES.get(status)
    if known is not None:
        return known
    return "invalid_request_error" if 400 <= status < 500 else "api_error"


def openai_error_type(status: int) -> str:
    """The same as OpenAI's dialects spell it."""
    if status == 402:
        return "insufficient_quota"
    return "permission_denied" if status == 403 else error_type(status)


def stated_error(status: int, message: str, *, kind: str | None = None, param: str | None = None) -> UpstreamError:
    """An error where an answer should be: with status 200, or inside a stream. One about the credential is about the
    installation's, not the caller's; and providers quote parts of it."""
    if status == 401:
        return Unavailable("The provider refused this installation's credential.", status=503)
    return upstream_error(status, message, kind=kind, param=param)


def upstream_error(
    status: int,
    message: str,
    *,
    kind: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> UpstreamError:
    """A provider's error answer as the error it is, its status kept."""
    if status == 429:
        return Throttled(message, kind=kind, param=param, retry_after=retry_after)
    if status in (408, 504):
        return TimedOut(message, status=status, kind=kind, param=param, retry_after=retry_after)
    if 400 <= status < 500:
        rejected = Rejected(message, status=status, kind=kind, param=param, retry_after=retry_after)
        rejected.retryable = status in PASSING  # type: ignore[misc]  # an instance may differ from its class
        return rejected
    if status >= 500:
        return Unavailable(message, status=status, kind=kind, param=param, retry_after=retry_after)
    return Malformed(f"The provider answered with status {status}: {message}", kind=kind)
