"""Bodies that go through piece by piece: bounded in bytes, and in time whatever pace they come at."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from isthmus.core.call import Call
from isthmus.core.ids import uuid7
from isthmus.data_plane.incoming import IncomingBody, IngressLimits
from isthmus.data_plane.routes import POST
from isthmus.errors import CallerLeft, TimedOutReading, TooLarge


class Arriving:
    request_complete = False


def incoming(receive: Any, limits: IngressLimits, **headers: str) -> IncomingBody:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    call = Call(uuid7(), POST["v1/chat/completions"], "a", "/v1/a/default/openai/files", named, None)  # type: ignore[arg-type]
    return IncomingBody(call, Arriving(), receive, limits)


async def dripping() -> dict[str, Any]:
    """A byte whenever it is asked, and never the last."""
    await asyncio.sleep(0)
    return {"type": "http.request", "body": b"x", "more_body": True}


async def test_a_body_that_never_ends_is_given_up_though_each_piece_is_in_time() -> None:
    body = incoming(dripping, IngressLimits(passed_seconds=0.05, read_seconds=60), transfer_encoding="chunked")
    assert body.length is None
    with pytest.raises(TimedOutReading):
        async for piece in body.pieces():
            assert piece == b"x"


async def test_a_body_that_grows_too_long_is_given_up() -> None:
    body = incoming(dripping, IngressLimits(passed_max_bytes=1000), transfer_encoding="chunked")
    taken = 0
    with pytest.raises(TooLarge):
        async for piece in body.pieces():
            taken += len(piece)
    assert taken == 1000


async def test_a_length_that_is_too_long_is_refused_before_anything_is_read() -> None:
    async def untouched() -> dict[str, Any]:
        raise AssertionError("read")

    body = incoming(untouched, IngressLimits(passed_max_bytes=1000), content_length="1001")
    with pytest.raises(TooLarge):
        await anext(body.pieces())


async def test_a_caller_who_leaves() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(CallerLeft):
        await anext(incoming(gone, IngressLimits(), content_length="10").pieces())


def test_no_body_at_all() -> None:
    assert incoming(dripping, IngressLimits()).length == 0
