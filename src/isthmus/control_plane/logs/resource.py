"""The calls on logs: list, get, and the stored payloads (control-plane 2, rows 35, 37, 39, 40)."""

from __future__ import annotations

from typing import Any

from isthmus.control_plane.api_request import ApiRequest
from isthmus.control_plane.envelope import NOT_FOUND, Answer, PageInfo, success
from isthmus.control_plane.logs.query import read_log_query
from isthmus.control_plane.logs.row import payload, shape, shape_with_heads
from isthmus.control_plane.publish import Publisher
from isthmus.core.entry import LogEntry
from isthmus.errors import NotFound
from isthmus.storage.protocols import Logs

PAYLOAD_HEADER = b"x-isthmus-payload"
"""Tells the form of a payload that is not shown as it was: `text`, `base64` or `truncated`; `json` otherwise."""


class LogCalls:
    def __init__(self, publisher: Publisher[Any], logs: Logs) -> None:
        self._publisher = publisher
        self._logs = logs

    async def list(self, request: ApiRequest) -> Answer:
        self._publisher.gateway(request.account_id, request.gateway_id)
        query = read_log_query(request)
        found = await self._logs.list(query)
        info = PageInfo(
            count=len(found.entries),
            page=query.page,
            per_page=query.per_page,
            total_count=found.total_count,
            extremes=found.extremes,
        )
        return success([shape(entry) for entry in found.entries], page=info)

    async def get(self, request: ApiRequest) -> Answer:
        return success(shape_with_heads(await self._entry(request)))

    async def request_payload(self, request: ApiRequest) -> Answer:
        entry = await self._entry(request)
        return _payload_answer(entry.request_body, entry.request_complete)

    async def response_payload(self, request: ApiRequest) -> Answer:
        entry = await self._entry(request)
        return _payload_answer(entry.response_body, entry.response_complete)

    async def _entry(self, request: ApiRequest) -> LogEntry:
        self._publisher.gateway(request.account_id, request.gateway_id)
        entry = await self._logs.get(request.account_id, request.gateway_id, request.parameters["log_id"])
        if entry is None:
            raise NotFound("Log not found", code=NOT_FOUND)
        return entry


def _payload_answer(body: bytes | None, complete: bool) -> Answer:
    """The payload itself, without an envelope."""
    if body is None:
        raise NotFound("The payload of this log was not stored", code=NOT_FOUND)
    shown = payload(body, complete)
    return Answer(status=200, body=shown.body, headers=((PAYLOAD_HEADER, shown.form.encode()),))
