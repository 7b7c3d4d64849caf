"""What a caller is told who has part of an answer."""

from __future__ import annotations

import pytest

from isthmus.core.call import Call
from isthmus.core.ids import uuid7
from isthmus.core.refusal import TRY_AGAIN, break_off
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.routes import POST
from isthmus.errors import GatewayError, InternalError, Interrupted, Malformed, Rejected, Throttled, TimedOut
from isthmus.providers.models import ModelTable


def broken_off(error: GatewayError) -> tuple[str, str | None]:
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=ModelTable({}, {}))
    call = Call(uuid7(), POST["v1/messages"], "a", "/ai/v1/messages", {}, snapshot)
    break_off(call, error)
    return error.message, call.end


@pytest.mark.parametrize(
    ("kind", "end"),
    [(Interrupted, "interrupted"), (Malformed, "interrupted"), (TimedOut, "interrupted"), (InternalError, "failed")],
)
def test_a_broken_stream_is_worth_another_try(kind: type[GatewayError], end: str) -> None:
    assert broken_off(kind("It stopped.")) == (f"It stopped. {TRY_AGAIN}", end)


@pytest.mark.parametrize("kind", [Rejected, Throttled])
def test_what_the_provider_said_itself_is_left_alone(kind: type[GatewayError]) -> None:
    assert broken_off(kind("No.")) == ("No.", "interrupted")
