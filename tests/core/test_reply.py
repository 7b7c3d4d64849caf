"""Frames decode late and once; a reply is closed and settled exactly once, in order, whatever happens."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.core.chat.event import Event, TextDelta
from isthmus.core.reply import Frame, Reply


class Reading:
    """A decoder that tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes | None] = []
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        self.asked.append(data)
        self.ended = data == b"end"
        return [TextDelta(text=data.decode())]

    def close(self) -> list[Event]:
        self.asked.append(None)
        return []


def test_a_frame_is_decoded_when_first_asked_and_only_then() -> None:
    decoder = Reading()
    frame, last = Frame(b"a", decoder), Frame(b"", decoder, last=True)
    assert (frame.data, last.data, decoder.asked) == (b"a", b"", [])
    assert frame.events == [TextDelta(text="a")] and frame.events is frame.events
    assert decoder.asked == [b"a"]
    assert last.events == [] == last.events
    assert decoder.asked == [b"a", None]


def test_a_frame_knows_the_end() -> None:
    decoder = Reading()
    frame, end = Frame(b"a", decoder), Frame(b"end", decoder)
    assert frame.events and not frame.ended
    assert end.events and end.ended


def a_reply() -> Reply:
    return Reply(200, content_type=b"text/plain", dialect="openai_chat", whole=True)


class Noted:
    """What a reply did, in order."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def done(self, name: str) -> Any:
        return lambda: self.order.append(name)

    def closed(self, name: str, error: Exception | None = None) -> Any:
        async def close() -> None:
            self.order.append(name)
            if error is not None:
                raise error

        return close


async def test_closing_comes_first_and_all_once() -> None:
    reply, noted = a_reply(), Noted()
    reply.when_done(noted.done("row"))
    reply.when_closed(noted.closed("connection"))
    reply.when_done(noted.done("bill"))
    await reply.aclose()
    assert noted.order == ["connection", "row", "bill"]
    await reply.aclose()
    reply.done()
    assert noted.order == ["connection", "row", "bill"]


async def test_done_before_the_last_byte_is_not_done_again() -> None:
    reply, noted = a_reply(), Noted()
    reply.when_done(noted.done("row"))
    reply.when_closed(noted.closed("connection"))
    reply.done()
    assert noted.order == ["row"]
    await reply.aclose()
    assert noted.order == ["row", "connection"]


async def test_the_row_is_written_even_where_closing_fails() -> None:
    reply, noted = a_reply(), Noted()
    reply.when_closed(noted.closed("connection", OSError("gone")))
    reply.when_done(noted.done("row"))
    with pytest.raises(OSError, match="gone"):
        await reply.aclose()
    assert noted.order == ["connection", "row"]
    await reply.aclose()
    assert noted.order == ["connection", "row"]
