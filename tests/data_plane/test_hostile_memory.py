"""What is remembered for the sake of speed, by callers who never say the same thing twice."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from isthmus.data_plane.routes import find, find_older
from isthmus.transport.exchange.head import HeadWriter
from isthmus.transport.protocol import UpstreamRequest

LONG = "x" * 50_000
CALLS = 1200
REMEMBERED_MAX_BYTES = 2_000_000


def write(writer: HeadWriter, number: int) -> None:
    name = f"x-{number}-{LONG}".encode()
    request = UpstreamRequest(method="POST", url="https://api.example/v1", headers=((name, b"1"),), body=b"")
    assert name in writer.write(request, b"/v1", b" HTTP/1.1\r\nHost: api.example")


def ask(number: int) -> None:
    address = find_older(f"/v1/account/gateway/openai/{number}/{LONG}")
    assert address is not None and address.rest == f"{number}/{LONG}"
    assert find(f"/client/v4/accounts/account/ai/run/{number}{LONG}") is not None


@pytest.mark.parametrize("what", ["paths", "header names"])
def test_long_texts_are_not_kept(what: str) -> None:
    writer = HeadWriter()
    remember: Callable[[int], None] = ask if what == "paths" else lambda number: write(writer, number)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(CALLS):
            remember(number)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < REMEMBERED_MAX_BYTES
