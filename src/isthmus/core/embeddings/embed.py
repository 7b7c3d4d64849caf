"""Vectors for texts, in no vendor's words: what a caller asks for, `Embed`, and what it is given, `Embedded`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from isthmus.core.chat.fidelity import Note

Purpose = Literal["query", "document", "similarity", "classification", "clustering"]
Pooling = Literal["mean", "cls"]


class Embed(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is the caller's name for it. Either `texts` or `tokens` (texts as the numbers of their tokens) holds
    something, one item a vector. `dimensions`: how many numbers each vector is to have. `as_base64`: vectors are given
    as base64 of little-endian float32. `purpose` says what the vectors are for, to models that mind. `many`: the caller
    sent a list, if only of one. What a reader could not place is in `unplaced`."""

    model: str
    texts: tuple[str, ...] = ()
    tokens: tuple[tuple[int, ...], ...] = ()
    many: bool = True
    dimensions: int | None = None
    as_base64: bool = False
    purpose: Purpose | None = None
    pooling: Pooling | None = None
    user: str | None = None
    unplaced: tuple[Note, ...] = ()

    @property
    def size(self) -> int:
        """How many vectors are wanted."""
        return len(self.texts) or len(self.tokens)

    def part(self, start: int, end: int) -> Embed:
        """The same for some of the inputs."""
        return msgspec.structs.replace(self, texts=self.texts[start:end], tokens=self.tokens[start:end])


class Embedded(msgspec.Struct, frozen=True, kw_only=True):
    """One vector for each input, in their order. `model` is what the provider calls itself; `input_tokens` None: the
    provider does not say."""

    vectors: Sequence[Sequence[float]]
    model: str | None = None
    input_tokens: int | None = None
