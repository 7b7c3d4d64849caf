"""What happened to a field on the way from one dialect to another: the receipt that callers and log rows are given."""

from __future__ import annotations

from typing import Literal

import msgspec


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """`emulated`: the target lacks the field, and its effect was brought about by other means. `lost`: it has none.
    Of a header of ours, `ignored`: it is malformed, or says nothing here; `clamped`: it was bent to fit.

    `field` is a neutral name (`top_k`, a name of `Chat`'s) or the caller's own path ("messages.audio"). `why` is one
    short clause without a full stop, in ASCII, and holds nothing of the caller's content.
    """

    field: str
    fate: Literal["emulated", "lost", "ignored", "clamped"]
    why: str


class Receipt:
    """Gathers notes while a request is read or written: each field once, where both fates meet as lost."""

    __slots__ = ("_notes",)

    def __init__(self, notes: tuple[Note, ...] = ()) -> None:
        self._notes: dict[str, Note] = {}
        for note in notes:
            self._add(note)

    def lost(self, field: str, why: str) -> None:
        self._add(Note(field=field, fate="lost", why=why))

    def emulated(self, field: str, why: str) -> None:
        self._add(Note(field=field, fate="emulated", why=why))

    def notes(self) -> tuple[Note, ...]:
        return tuple(self._notes.values())

    def _add(self, note: Note) -> None:
        known = self._notes.get(note.field)
        if known is None or (known.fate == "emulated" and note.fate == "lost"):
            self._notes[note.field] = note
