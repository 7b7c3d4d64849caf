"""Sorts the fragments of tool calls in an answer to their calls."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.event import Event, ToolCallDelta, ToolCallStarted
from isthmus.core.chat.request import Opaque
from isthmus.wire.json_text import made_up_id
from isthmus.wire.openai_chat.answer.schema import AnsweredCall, AnsweredFunction
from isthmus.wire.openai_chat.messages.read import google_signature


class Counter:
    """Numbers the calls of one answer, over all its choices."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def next(self) -> int:
        self._next += 1
        return self._next - 1


class Calls:
    """The calls of one choice. Some providers leave the index out, give every call index 0, or send the id again (or
    another) with each fragment: a new call is one at a new place, or one whose fragment has a name and another id
    (without an id: another name)."""

    __slots__ = ("_by_place", "_choice", "_counter", "_last", "any_started")

    def __init__(self, counter: Counter, choice: int) -> None:
        self._by_place: dict[int | str, _Call] = {}
        self._choice = choice
        self._counter = counter
        self._last: _Call | None = None
        self.any_started = False

    def read(self, pieces: list[AnsweredCall], events: list[Event], *, whole: bool) -> None:
        for piece in pieces:
            custom = piece.custom
            part = piece.function or (custom and AnsweredFunction(name=custom.name, arguments=custom.input))
            name = part.name if part else None
            call = self._last = _Call(piece.id) if whole else self._find(piece, name)
            if call.signature is None and piece.extra_content is not None:
                call.signature = google_signature(piece.extra_content)
            if call.index is None and name:
                self._start(call, piece, name, events)
            arguments = _arguments(part.arguments) if part else ""
            if call.index is None:
                call.held += arguments
            elif call.held or arguments:
                events.append(ToolCallDelta(index=call.index, arguments=call.held + arguments))
                call.held = ""

    def _start(self, call: _Call, piece: AnsweredCall, name: str, events: list[Event]) -> None:
        self.any_started = True
        call.name, call.index = name, self._counter.next()
        call.id = call.id or piece.id or made_up_id("call_")
        events.append(
            ToolCallStarted(
                index=call.index,
                id=call.id,
                name=name,
                custom=piece.custom is not None,
                signature=call.signature,
                choice=self._choice,
            )
        )

    def _find(self, piece: AnsweredCall, name: str | None) -> _Call:
        place = piece.index if piece.index is not None else piece.id or None
        if place is None:
            # No index and no id: a name begins a call, anything else continues the last one.
            return self._last if self._last is not None and not name else _Call(None)
        call = self._by_place.get(place)
        if call is None or call.is_other(piece.id, name):
            call = self._by_place[place] = _Call(piece.id)
        return call


class _Call:
    """`index` is None until the name has come; arguments that came before it are held."""

    __slots__ = ("held", "id", "index", "name", "signature")

    def __init__(self, given_id: str | None) -> None:
        self.id = given_id
        self.index: int | None = None
        self.name: str | None = None
        self.signature: Opaque | None = None
        self.held = ""

    def is_other(self, piece_id: str | None, name: str | None) -> bool:
        if not name or self.index is None:
            return False
        return piece_id != self.id if piece_id else name != self.name


def _arguments(given: Any) -> str:
    """JSON text is what the format says; some providers send the object itself."""
    if given is None:
        return ""
    return given if isinstance(given, str) else msgspec.json.encode(given).decode()
