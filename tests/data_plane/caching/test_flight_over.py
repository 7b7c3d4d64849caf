"""What a flight leaves behind: nothing, without waiting for the garbage collector. It holds a call and its answer."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from isthmus.core.call import Call, Endpoint
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.caching.flight import Flight, Head
from isthmus.data_plane.caching.shared import Room
from isthmus.errors import PolicyError, Unavailable
from isthmus.wire.registry import DIALECTS

HEAD = Head(kind="body", status=200, content_type=b"application/json", dialect="openai_chat", whole=True)
SNAPSHOT = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=None)  # type: ignore[arg-type]  # unused


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def led() -> tuple[Flight, Call]:
    flight = Flight(1000, Room(1000), lambda: None)
    endpoint = Endpoint(request_type="chat", dialect="openai_chat", errors=DIALECTS["openai_chat"])
    call = Call("leader", endpoint, "account", "/", {}, SNAPSHOT)
    flight.lead(call)
    return flight, call


async def test_one_that_came_to_its_end_is_gone() -> None:
    flight, call = led()
    left = weakref.ref(flight), weakref.ref(flight.answer)
    reader = flight.begin(HEAD, None, b"{}")
    flight.ended(None)
    await reader.aclose()
    del flight, reader
    assert [each() for each in left] == [None, None]
    assert call.held is None


@pytest.mark.parametrize("error", [Unavailable("no"), PolicyError("no")], ids=["everybody's", "its leader's own"])
async def test_one_that_failed_is_gone(error: Exception) -> None:
    flight, call = led()
    left = weakref.ref(flight)
    flight.failed(error)
    del flight
    assert left() is None
    assert call.held is None
