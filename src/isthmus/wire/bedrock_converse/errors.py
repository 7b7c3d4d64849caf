"""Errors in AWS's words: a provider's read, whole and inside a stream, ours written."""

from __future__ import annotations

import msgspec

from isthmus.errors import GatewayError, Rejected, Unavailable, UpstreamError
from isthmus.wire import statuses
from isthmus.wire.statuses import upstream_error

MESSAGE_MAX_CHARS = 4000

# https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html, and the service model.
_STATUSES = {
    "ValidationException": 400,
    "ServiceQuotaExceededException": 400,
    "UnrecognizedClientException": 401,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
    "ThrottlingException": 429,
    "ModelNotReadyException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
_NAMES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "RequestEntityTooLargeException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}
# What a stream can end in; https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
_IN_STREAMS = frozenset(
    (
        "internalServerException",
        "modelStreamErrorException",
        "validationException",
        "throttlingException",
        "serviceUnavailableException",
    )
)
_MODEL_FAILED = 424
_REFUSALS = (400, 413, 422)  # of a model behind Bedrock: another would say the same
_UNKNOWN_STATUS = 502


class _Answer(msgspec.Struct, frozen=True):
    """AWS's services spell the message in two ways; `__type` may have a namespace before `#` or a link after `:`."""

    message: str | None = None
    Message: str | None = None
    type: str | None = msgspec.field(name="__type", default=None)
    originalStatusCode: int | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_error(status: int, body: bytes, retry_after: float | None) -> UpstreamError:
    """By status; a body that is not AWS's (a proxy's page) gives no message of its own."""
    answer = _answer(body)
    message = _message(answer) or f"The provider answered with status {status}."
    kind = _kind(answer.type)
    if status == _MODEL_FAILED:
        return _model_failed(message, kind, answer.originalStatusCode, retry_after)
    return upstream_error(status, message, kind=kind, retry_after=retry_after)


def stated_error(name: str, payload: bytes) -> UpstreamError:
    """An exception inside a stream, `throttlingException`, or an error in a whole answer with status 200."""
    answer = _answer(payload)
    kind = name[:1].upper() + name[1:] if name else None
    message = _message(answer) or "The provider reported an error."
    status = _STATUSES.get(kind or "", _UNKNOWN_STATUS)
    if status == _MODEL_FAILED:
        return _model_failed(message, kind, answer.originalStatusCode, None)
    return statuses.stated_error(status, message, kind=kind)


def whole_error(data: bytes) -> UpstreamError | None:
    """The error that a body of status 200 is, None where it is none."""
    kind = _kind(_answer(data).type)
    return None if kind is None else stated_error(kind, data)


def write_error(error: GatewayError) -> bytes:
    """AWS's shape, and beside it what readers of the v4 envelope look for (data-plane 5.1)."""
    return msgspec.json.encode(
        {
            "__type": exception_name(error),
            "message": error.message,
            "success": False,
            "errors": [{"code": error.code, "message": error.message}],
        }
    )


def exception_name(error: GatewayError) -> str:
    """One of AWS's own: another provider's name for the error means nothing to its callers."""
    if error.kind in _STATUSES:
        return error.kind or ""
    default = "ValidationException" if 400 <= error.status < 500 else "InternalServerException"
    return _NAMES.get(error.status, default)


def stream_exception_name(error: GatewayError) -> str:
    """One of those that a stream can end in."""
    name = exception_name(error)
    name = name[:1].lower() + name[1:]
    if name in _IN_STREAMS:
        return name
    if error.status == _MODEL_FAILED:
        return "modelStreamErrorException"
    return "validationException" if 400 <= error.status < 500 else "internalServerException"


def _answer(body: bytes) -> _Answer:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Answer()


def _message(answer: _Answer) -> str | None:
    message = answer.message or answer.Message
    return message[:MESSAGE_MAX_CHARS] if message else None


def _kind(stated: str | None) -> str | None:
    return stated.rpartition("#")[2].partition(":")[0] or None if stated else None


def _model_failed(message: str, kind: str | None, original: int | None, retry_after: float | None) -> UpstreamError:
    """The model behind Bedrock failed: another may do, unless it refused the request."""
    kind_of_error = Rejected if original in _REFUSALS else Unavailable
    return kind_of_error(message, status=_MODEL_FAILED, kind=kind, retry_after=retry_after)
