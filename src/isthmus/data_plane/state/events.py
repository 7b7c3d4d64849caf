"""The events of a response that a caller has not seen yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from isthmus.data_plane.runs.run import Pieces
from isthmus.errors import InvalidRequest
from isthmus.wire.openai_responses.state.view import events_after


class Followed(AsyncIterator[bytes]):
    """A run's pieces; `otherwise`, where it ended without any. Close it."""

    def __init__(self, pieces: Pieces, otherwise: Callable[[], bytes]) -> None:
        self._pieces = pieces
        self._otherwise: Callable[[], bytes] | None = otherwise

    async def __anext__(self) -> bytes:
        otherwise, self._otherwise = self._otherwise, None
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            if otherwise is None:
                raise
            return otherwise()

    async def aclose(self) -> None:
        await self._pieces.aclose()


class EventsAfter(AsyncIterator[bytes]):
    """A run's pieces, from the first event whose `sequence_number` is above `after`. Close it."""

    def __init__(self, pieces: Pieces, after: int) -> None:
        self._pieces = pieces
        self._after = after
        self._found = after < 0

    async def __anext__(self) -> bytes:
        while True:
            piece = await anext(self._pieces)
            if self._found:
                return piece
            rest = events_after(piece, self._after)
            if rest:
                self._found = True
                return rest

    async def aclose(self) -> None:
        await self._pieces.aclose()


def after_of(asked: Mapping[str, str]) -> int:
    """`starting_after`; -1 where all is wanted. Raises `InvalidRequest`."""
    text = asked.get("starting_after", "-1")
    if text != "-1" and not (text.isascii() and text.isdigit() and len(text) < 13):
        raise InvalidRequest("`starting_after` must be the sequence number of an event.", param="starting_after")
    return int(text)
