"""Google's errors: a status, a message, and details of the types of `google.rpc`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.simulator.exchange import Rejection

_TYPE = "type.googleapis.com/google.rpc."
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


class GoogleRejection(Rejection):
    def __init__(self, message: str, *, status: int = 400, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message, status=status)
        self.details = list(details)

    @classmethod
    def of_violations(cls, violations: list[tuple[str, str]]) -> GoogleRejection:
        """Of requests that are not the protocol buffers they should be."""
        rows = [{"field": field, "description": text} if field else {"description": text} for field, text in violations]
        return cls("\n".join(text for _, text in violations), details=[detail("BadRequest", fieldViolations=rows)])


def starred(where: str, complaint: str) -> GoogleRejection:
    """Of requests that are, but break a rule: the service itself says it, without details."""
    return GoogleRejection(f"* GenerateContentRequest.{where}: {complaint}\n")


def detail(name: str, **fields: Any) -> dict[str, Any]:
    return {"@type": _TYPE + name, **fields}


def error_body(rejection: Rejection) -> dict[str, Any]:
    error: dict[str, Any] = {
        "code": rejection.status,
        "message": rejection.message,
        "status": STATUSES.get(rejection.status, "UNKNOWN"),
    }
    if details := getattr(rejection, "details", None):
        error["details"] = details
    return {"error": error}
