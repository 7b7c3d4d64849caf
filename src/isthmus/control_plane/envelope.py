"""The v4 envelope of every answer (control-plane 1.2), and the one place where an error becomes one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isthmus.errors import GatewayError, MethodNotAllowed
from isthmus.validation.fields import InvalidFields

JSON = b"application/json"
NOT_FOUND = 7002
"""A resource is missing; an unknown path is 7003."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    code: int
    message: str


class PageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`extremes`: further keys beside the counts (the logs' `meta_info`)."""

    count: int
    page: int
    per_page: int
    total_count: int
    extremes: dict[str, float] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Always JSON: strict clients refuse any other content type."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


def success(result: object, *, messages: Sequence[Message] = (), page: PageInfo | None = None) -> Answer:
    body: dict[str, object] = {"success": True, "errors": [], "messages": messages, "result": result}
    if page is not None:
        body["result_info"] = _result_info(page)
    return Answer(status=200, body=msgspec.json.encode(body))


def failure(error: GatewayError) -> Answer:
    if isinstance(error, InvalidFields):
        errors: list[dict[str, object]] = [
            {"code": error.code, "message": problem.message, "path": problem.path} for problem in error.problems
        ]
    else:
        errors = [{"code": error.code, "message": error.message}]
    body = {"success": False, "errors": errors, "messages": [], "result": None}
    return Answer(status=error.status, body=msgspec.json.encode(body), headers=tuple(_headers(error)))


def _headers(error: GatewayError) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allow.encode()))
    if error.retry_after is not None:
        headers.append((b"retry-after", str(max(1, round(error.retry_after))).encode()))
    if error.status == 409:
        # the SDKs try a conflict again by themselves, and ours do not pass by waiting (control-plane 13)
        headers.append((b"x-should-retry", b"false"))
    return headers


def _result_info(page: PageInfo) -> dict[str, float]:
    return {
        "count": page.count,
        "page": page.page,
        "per_page": page.per_page,
        "total_count": page.total_count,
        "total_pages": -(-page.total_count // page.per_page),
        **page.extremes,
    }
