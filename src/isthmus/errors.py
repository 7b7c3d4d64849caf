"""Every error we raise. Whose fault it is *is* the type; the caller's dialect writes it out (data-plane 5.1).

GatewayError                 status, code, message, retry_after
├── RequestError             the caller's fault
│   ├── InvalidRequest       400 7000/7001
│   ├── TooLarge             413 3006
│   ├── Unauthenticated      401 10000
│   ├── Forbidden            403
│   ├── NotFound             404 7003
│   ├── MethodNotAllowed     405 7001
│   ├── TimedOutReading      408
│   └── Unsupported          400: the target cannot express what was asked
├── PolicyError              we said no, by a rule
│   ├── Busy                 429 3040: all calls in flight that there may be
│   └── RateLimited          429 2003: all that a limit of the gateway lets through
├── UpstreamError            the provider's fault
│   ├── Rejected             it answered 4xx
│   ├── Throttled            it answered 429
│   ├── Unavailable          no connection, or 5xx
│   ├── TimedOut             no byte in time
│   ├── Malformed            it spoke nonsense
│   └── Interrupted          it stopped in the middle
├── CallerLeft               499: nobody is there to read the answer
└── InternalError            ours
"""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """What went wrong, with all that a dialect needs to write it out.

    `code` is the numeric code of data-plane 5.2, `kind` a machine-readable name (None: derived from the status),
    `param` the offending field where one is known, `retry_after` seconds.
    """

    status: ClassVar[int] = 500
    code: ClassVar[int] = 7000
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | None = None,
        kind: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.param = param
        self.retry_after = retry_after
        if status is not None:
            self.status = status  # type: ignore[misc]  # an instance may differ from its class
        if code is not None:
            self.code = code  # type: ignore[misc]


class RequestError(GatewayError):
    status = 400


class InvalidRequest(RequestError):
    pass


class Unsupported(RequestError):
    """The request is sound, but the target cannot express it."""


class TooLarge(RequestError):
    status = 413
    code = 3006


class TimedOutReading(RequestError):
    """The request did not arrive in time."""

    status = 408
    code = 3007


class Unauthenticated(RequestError):
    status = 401
    code = 10000


class Forbidden(RequestError):
    status = 403
    code = 10000


class NotFound(RequestError):
    status = 404
    code = 7003


class MethodNotAllowed(RequestError):
    status = 405
    code = 7001

    def __init__(self, message: str, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class PolicyError(GatewayError):
    """We said no, by a rule of the account's or of the installation's."""

    status = 403


class Busy(PolicyError):
    """The installation has all the calls in flight that it may have (data-plane 5.2)."""

    status = 429
    code = 3040


class RateLimited(PolicyError):
    """A limit of the gateway has no room for this call (data-plane 9.2)."""

    status = 429
    code = 2003


class UpstreamError(GatewayError):
    """The provider's fault. `native` holds its own answer, where it gave one, for callers of the same dialect."""

    status = 502
    code = 2005
    retryable = True
    native: Native | None = None


class Native:
    """A provider's error answer as it came: relayed unchanged to a caller of the same dialect (data-plane E4)."""

    __slots__ = ("body", "content_type", "dialect", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        content_type: str,
        dialect: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.dialect = dialect
        self.headers = headers


class Rejected(UpstreamError):
    status = 400
    retryable = False


class Throttled(UpstreamError):
    status = 429


class Unavailable(UpstreamError):
    pass


class TimedOut(UpstreamError):
    status = 504


class Malformed(UpstreamError):
    pass


class Interrupted(UpstreamError):
    """The provider stopped in the middle of an answer: too late to try again."""

    retryable = False


class CallerLeft(GatewayError):
    """The caller hung up. 499 in the log (data-plane 18, question 26); nobody reads the answer."""

    status = 499
    code = 499


class InternalError(GatewayError):
    pass
