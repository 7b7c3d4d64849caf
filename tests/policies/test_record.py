"""One row a call, whatever became of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from isthmus.core.call import Answer, CallOptions
from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.usage import Usage
from isthmus.core.entry import LogEntry
from isthmus.core.refusal import break_off, cut_short, note
from isthmus.errors import (
    CallerLeft,
    Forbidden,
    GatewayError,
    InternalError,
    Interrupted,
    InvalidRequest,
    Malformed,
    NotFound,
    PolicyError,
    Rejected,
    Throttled,
    TimedOut,
    TooLarge,
    Unavailable,
)
from isthmus.policies.record import collects, entry_of, record

ENDS: list[tuple[GatewayError, str, int]] = [
    (InvalidRequest("no"), "refused", 400),
    (NotFound("no"), "refused", 404),
    (TooLarge("no"), "refused", 413),
    (Forbidden("no"), "refused", 403),
    (PolicyError("no"), "refused", 403),
    (Rejected("no", status=422), "provider_error", 422),
    (Throttled("no"), "provider_error", 429),
    (Unavailable("no"), "provider_error", 502),
    (Malformed("no"), "provider_error", 502),
    (TimedOut("no"), "timed_out", 504),
    (Interrupted("no"), "interrupted", 502),
    (CallerLeft("no"), "caller_left", 499),
    (InternalError("no"), "failed", 500),
]


class Rows:
    def __init__(self) -> None:
        self.kept: list[LogEntry] = []

    def append(self, entry: LogEntry) -> None:
        self.kept.append(entry)


@pytest.fixture
def rows() -> Rows:
    return Rows()


def recorded(made: Any, **headers: str) -> Any:
    call = made.call(made.snapshot(made.gateway()), **headers)
    call.gateway = made.gateway()
    return call


async def test_the_row_is_written_when_the_reply_is_done(made: Any, rest: Any, rows: Rows) -> None:
    call = recorded(made)
    reply = await record(rows.append, 1000)(call, rest)
    assert reply is rest.reply and rows.kept == [], "the answer is not out yet"
    call.end, call.status = "completed", 200
    reply.done()
    (row,) = rows.kept
    assert (row.id, row.end, row.success, row.status_code) == (call.id, "completed", True, 200)
    await reply.aclose()
    assert len(rows.kept) == 1


@pytest.mark.parametrize(("error", "end", "status"), ENDS, ids=lambda value: type(value).__name__)
async def test_every_error_becomes_an_answer_and_a_row(
    made: Any, rest: Any, rows: Rows, error: GatewayError, end: str, status: int
) -> None:
    rest.error = error
    call = recorded(made)
    reply = await record(rows.append, 1000)(call, rest)
    assert reply.status == status and b"no" in reply.body and rows.kept == []
    reply.done()
    (row,) = rows.kept
    assert (row.end, row.status_code, row.success) == (end, status, False)
    assert (row.error_code, row.error_message) == (error.code, "no")


async def test_a_mistake_of_ours_is_500_and_tells_nothing(
    made: Any, rest: Any, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    rest.error = ZeroDivisionError("secret detail")
    call = recorded(made)
    with caplog.at_level(logging.ERROR):
        reply = await record(rows.append, 1000)(call, rest)
    assert reply.status == 500 and b"secret detail" not in reply.body
    assert "secret detail" in caplog.text and call.id in caplog.text
    reply.done()
    (row,) = rows.kept
    assert (row.end, row.success) == ("failed", False) and "secret" not in (row.error_message or "")


@pytest.mark.parametrize(("left", "end", "status"), [(True, "caller_left", 499), (False, "failed", 503)])
async def test_a_cancelled_call_has_its_row_at_once(
    made: Any, rest: Any, rows: Rows, left: bool, end: str, status: int
) -> None:
    rest.error = asyncio.CancelledError()
    call = recorded(made)
    call.caller_left = left
    with pytest.raises(asyncio.CancelledError):
        await record(rows.append, 1000)(call, rest)
    (row,) = rows.kept
    assert (row.end, row.status_code, row.success) == (end, status, False)


async def test_no_gateway_no_row(made: Any, rest: Any, rows: Rows) -> None:
    call = made.call()
    (await record(rows.append, 1000)(call, rest)).done()
    rest.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await record(rows.append, 1000)(call, rest)
    assert rows.kept == []


@pytest.mark.parametrize(
    ("gateway_collects", "wish", "expected"),
    [(True, None, True), (False, None, False), (False, True, True), (True, False, False)],
)
def test_55_who_decides_on_a_row(made: Any, gateway_collects: bool, wish: bool | None, expected: bool) -> None:
    call = recorded(made)
    settings = msgspec.structs.replace(call.gateway.settings, collect_logs=gateway_collects)
    call.gateway = made.gateway(settings=settings)
    call.options = CallOptions(collect_log=wish)
    assert collects(call) is expected


def test_an_interrupted_answer_keeps_its_status(made: Any) -> None:
    """The caller has a 200 already; how the provider failed does not matter for how it ended."""
    for error in (Interrupted("cut"), TimedOut("silent"), Throttled("slow down"), Malformed("nonsense")):
        call = recorded(made)
        call.status = 200
        break_off(call, error)
        assert (call.status, call.end, call.error) == (200, "interrupted", error)
    call = recorded(made)
    call.status = 200
    break_off(call, InternalError("ours"))
    assert (call.status, call.end) == (200, "failed")


def test_a_caller_who_leaves_in_the_middle_is_499(made: Any) -> None:
    call = recorded(made)
    call.status, call.caller_left = 200, True
    note(call, cut_short(call))
    assert (call.status, call.end) == (499, "caller_left")


def test_what_a_row_says(made: Any) -> None:
    call = recorded(made, user_agent="x" * 500, content_type="application/json")
    call.model = "openai/" + "m" * 500
    call.sent, call.request_size = b"0123456789", 12
    call.answer = Answer(4)
    call.answer.add(b"answer")
    call.usage = Usage(input_tokens=9, output_tokens=4, cache_read_tokens=3, cache_write_tokens=2, reasoning_tokens=1)
    call.notes = (Note(field="seed", fate="lost", why="there is none"),)
    call.first_byte_at = call.started_monotonic + 0.25
    call.error = InvalidRequest("m" * 5000)
    row = entry_of(call, 8)
    assert row.model == call.model[:200] and row.provider == "" and row.wholesale is False
    assert (row.request_body, row.request_size, row.request_complete) == (b"01234567", 12, False)
    assert (row.response_body, row.response_size, row.response_complete) == (b"answ", 6, False)
    assert (row.tokens_in, row.tokens_out, row.cached_tokens, row.cache_write_tokens, row.reasoning_tokens) == (
        9,
        4,
        3,
        2,
        1,
    )
    assert row.first_byte_ms == 250 and row.duration_ms >= 0 and row.created_at == call.started_at
    assert row.user_agent == "x" * 256 and row.request_content_type == "application/json"
    assert (
        row.notes == '[{"field":"seed","fate":"lost","why":"there is none"}]' and len(row.error_message or "") == 1000
    )
    assert row.end == "failed", "what nobody noted is our own fault"
    assert row.account_id == call.account_id and row.gateway_id == "default"


@pytest.mark.parametrize("count", [-1, 2**53 + 1, 10**30])
def test_a_count_that_no_model_reaches_is_none(made: Any, count: int) -> None:
    call = recorded(made)
    call.usage = Usage(input_tokens=count, output_tokens=2**53)
    row = entry_of(call, 8)
    assert (row.tokens_in, row.tokens_out) == (None, 2**53)


def test_a_row_without_payloads(made: Any) -> None:
    call = recorded(made)
    call.sent, call.request_size = b"0123456789", 10
    call.answer = Answer(100)
    call.answer.add(b"answer")
    call.options = CallOptions(collect_log_payload=False, metadata='{"a":1}')
    row = entry_of(call, 100)
    assert (row.request_body, row.response_body) == (None, None)
    assert (row.request_size, row.response_size, row.metadata) == (10, 6, '{"a":1}')


def test_a_row_of_little(made: Any) -> None:
    """Nothing is known of a call that failed at once."""
    row = entry_of(recorded(made), 100)
    assert row.user_agent is row.request_content_type is row.response_content_type is row.first_byte_ms is None
    assert row.tokens_in is row.tokens_out is row.finish_reason is row.error_code is row.notes is None
    assert (row.request_body, row.response_body, row.request_size, row.response_size) == (None, None, 0, 0)
